// What a screen reader reads aloud by itself.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Browser, Page, Process} from './browser.mjs';

const RUN = 'width=96&height=96&tile_w=32&tile_h=32&max_iter=64&time_limit_ms=600000&num_threads=2';

let bridge, browser;

before(async () => {
    bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    browser = await Browser.start();
});

after(async () => {
    await browser.close();
    assert.equal(await bridge.close(), 0);
});

// From now on. Gives what has been read so far: the text of every live region that has changed, as often as it has.
async function listen(page) {
    await page.tab.evaluate(() => {
        const live = '[role=status], [role=alert], [role=log], [aria-live=polite], [aria-live=assertive], output';
        globalThis.heard = [];
        new MutationObserver((changes) => {
            const regions = changes.map(({target}) => (target.closest ? target : target.parentElement)?.closest(live));
            for (const region of new Set(regions)) {
                if (region?.textContent.trim()) {
                    globalThis.heard.push(region.textContent);
                }
            }
        }).observe(document.body, {subtree: true, childList: true, characterData: true});
    });
    return () => page.tab.evaluate(() => globalThis.heard);
}

test('a replay is not read aloud, frame by frame', async () => {
    const page = await Page.open(browser, bridge.url, RUN);
    await page.finished();
    const heard = await listen(page);
    await page.slide('speed', -6);
    for (const at of [100, 300, 500]) {
        await page.slide('scrubber', at);
    }
    await page.id('play').click();
    await page.tab.locator('#play[data-playing=true]').waitFor();
    await page.slide('speed', 1);
    await page.tab.locator('#play[data-playing=false]').waitFor();
    assert.deepEqual(await heard(), []);
    assert.match(await page.id('scrubber').getAttribute('aria-valuetext'), / of /);
    await page.close();
});
