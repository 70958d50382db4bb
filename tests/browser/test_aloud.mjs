// What a screen reader reads aloud by itself, and where the keyboard goes when what it was on is gone.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Page, until} from './browser.mjs';
import {SMALL, bridge, browser} from './served.mjs';

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
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.until('told', /tiles in/);
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

test('a run is told of once it is over, with what there is to be seen', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.until('told', /tiles in/);
    const heard = await listen(page);
    await page.id('run').click();
    await until('the run is told of', async () => (await heard()).some((text) => /tiles in/.test(text)));
    const all = await heard();
    assert.equal(all.at(-1), `${await page.text('status')}. ${await page.text('lesson')}`);
    assert.ok(await page.text('lesson') !== '');
    assert.equal(all.filter((text) => /tiles in/.test(text)).length, 1);
    assert.equal(new Set(all).size, all.length);
    await page.close();
});

test('what goes on is told of, too, and what went wrong', async () => {
    const page = await Page.open(browser, bridge.url, `${SMALL}&width=4096&height=4096&max_iter=65535&kernel=scalar`);
    await page.until('told', /^Computing 16,384 tiles$/);
    await page.id('stop').click();
    await page.until('told', /^Stopped (after|before) /);
    const heard = await listen(page);
    await page.field('width').fill('0');
    await page.id('run').click();
    await page.until('told', /^The run failed; what is shown is the run before$/);
    assert.equal((await heard()).filter((text) => /width is "0"/.test(text)).length, 1);
    await page.close();
});

test('what a comparison came to is read aloud', async () => {
    const page = await Page.open(browser, bridge.url, `${SMALL}&rounds=2`);
    await page.until('told', /tiles in/);
    const panel = page.id('compare-concurrent');
    const heard = await listen(page);
    await panel.getByRole('button', {name: 'Compare', exact: true}).click();
    await page.until('told', /^Done: 4 runs\. /);
    assert.deepEqual(await heard(), [`Done: 4 runs. ${await panel.locator('.compare-lesson').textContent()}`]);
    await page.close();
});

test('a tile is told of, and nothing of it is left to be read once it is not shown', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.until('told', /tiles in/);
    await page.tab.locator('#picture .over').press('Home');
    await page.until('tile-said', /^Task 0, thread 0, start /);
    await page.tab.locator('#picture .over').press('Escape');
    assert.equal(await page.text('tile-said'), '');
    await page.close();
});

test('canvases are described', async () => {
    const page = await Page.open(browser, bridge.url, `${SMALL}&rounds=1`);
    await page.finished();
    const described = (selector) => page.tab.locator(selector).evaluate(
        (canvas) => document.getElementById(canvas.getAttribute('aria-describedby')).textContent);
    assert.equal(await described('#picture .over'), '96 × 96 pixels of the whole set, in 3 × 3 tiles.');
    const {summary} = JSON.parse((await page.download('save-json')).bytes);
    const busy = summary.threads.map(({thread_id: thread, busy_ns: ns}) =>
        `thread ${thread}: ${Math.round(100 * ns / summary.wall_ns)}\u00a0%`);
    assert.ok((await described('#timeline canvas')).endsWith(`: ${busy.join(', ')}.`));
    await page.id('compare-concurrent').getByRole('button', {name: 'Compare', exact: true}).click();
    await page.id('compare-concurrent').locator('.compare-result').waitFor();
    assert.match(await described('#compare-concurrent .side-b .over'), /^2 threads, static: 96 × 96 pixels/);
    assert.match(await described('#compare-concurrent .side-b .timeline canvas'), /^2 threads, static\. Busy of .* thread 1: /);
    await page.follow(`${SMALL}&num_threads=32&tile_w=8&tile_h=8&schedule=cyclic`);
    await page.finished();
    assert.match(await described('#timeline canvas'),
        /of 32 threads the most, thread [0-9]+: .*, and the least, thread [0-9]+: [0-9]+\s%\.$/);
    await page.close();
});

const SLOW = SMALL.replace('max_iter=64', 'width=4096&height=4096&max_iter=65535&kernel=scalar');
const focused = (page) => page.tab.evaluate(() => document.activeElement.id);

async function pressed(page, id) {
    await page.id(id).press('Enter');
    await page.tab.locator('#result[data-busy=false]').waitFor();
    return focused(page);
}

test('the keyboard is not lost with what it was on', async () => {
    const page = await Page.open(browser, bridge.url, `${SLOW}&region=-1,-1,2,2`);
    await page.until('told', /^Computing/);
    assert.equal(await pressed(page, 'stop'), 'run');
    await page.field('max_iter').fill('64');
    assert.equal(await pressed(page, 'zoom-whole'), 'zoom-in');
    assert.equal(await pressed(page, 'zoom-back'), 'zoom-in');
    await page.field('width').fill('0');
    await page.id('run').click();
    await page.id('alert').waitFor();
    await page.field('width').fill('96');
    assert.equal(await pressed(page, 'again'), 'run');
    await page.close();
});

test('the keyboard goes through the records, and back', async () => {
    const page = await Page.open(browser, bridge.url, SMALL.replace('tile_w=32&tile_h=32', 'tile_w=8&tile_h=8'));
    await page.finished();
    await page.id('records').locator('summary').click();
    await page.id('rows-on').press('Enter');
    await page.until('rows-shown', /^101 to 144/);
    assert.equal(await focused(page), 'rows-back');
    await page.id('rows-back').press('Enter');
    await page.until('rows-shown', /^1 to 100/);
    assert.equal(await focused(page), 'rows-on');
    await page.close();
});
