// Who leaves the page in mid-run, and who comes back.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Browser, Page, Process, metric, until} from './browser.mjs';

const SLOW = 'width=256&height=256&tile_w=32&tile_h=32&max_iter=65535&kernel=scalar&region=-0.2,-0.1,0.2,0.2'
    + '&time_limit_ms=600000&num_threads=2&schedule=dynamic';
const UNDER_WAY = /^[1-9][0-9]* of 64$/;
const NO_ICON = /^Failed to load resource: .* 404 /; // Chromium asks for one where a document is no page

let bridge, browser;

before(async () => {
    bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    browser = await Browser.start({keepsPages: true});
});

after(async () => {
    await browser.close();
    assert.equal(await bridge.close(), 0);
});

// How many runs the bridge was told to end, whereas it ends by itself what is left to its lease.
async function ended({url} = bridge) {
    const text = await (await fetch(`${url}/metrics`)).text();
    return text.split('\n').filter((line) => /_requests_total{.*method="DELETE".*code="2/.test(line))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

async function untilFree() {
    await until('the server has let go of it', async () => await metric(bridge.url, 'tilery_server_streams')
        + await metric(bridge.url, 'tilery_server_runs_running') === 0);
}

const WAYS = {
    'closing the tab': (page) => page.close(),
    'reloading': (page) => page.tab.reload(),
    'another address': (page) => page.tab.goto('about:blank'),
};

for (const [name, leave] of Object.entries(WAYS)) {
    test(`${name} ends the run at the server`, async () => {
        const page = await Page.open(browser, bridge.url, SLOW);
        await page.until('figure-tiles', UNDER_WAY);
        const before = await ended();
        await leave(page);
        if (!page.tab.isClosed()) {
            await page.tab.goto('about:blank'); // a page that was loaded again computes again
        }
        await untilFree();
        assert.ok(await ended() > before);
        await page.close();
    });
}

test('closing the tab ends a run that waits for its turn, too', async () => {
    const server = await Process.start('tileryd', '--listen', 'tcp://127.0.0.1:0', '--max-threads', '4');
    const front = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0', '--backend', server.url);
    const queued = () => metric(front.url, 'tilery_server_runs_queued');
    const first = await Page.open(browser, front.url, SLOW); // streams have half of the threads, and this one all of these
    await first.until('figure-tiles', UNDER_WAY);
    const second = await Page.open(browser, front.url, SLOW);
    await second.until('status', /^Waiting for threads: 1 run in the service’s queue$/);
    assert.equal(await queued(), 1);
    await second.id('stop').click();
    await second.until('status', /^Stopped before the first tile$/);
    await second.id('run').click();
    await second.until('status', /^Waiting for threads/);
    await second.close();
    await until('the server has let go of it', async () => await queued() === 0);
    assert.equal(await ended(front), 2);
    await first.close();
    await front.close();
    await server.close();
});

test('who comes back sees the run made anew', async () => {
    const page = await Page.open(browser, bridge.url, SLOW.replace('65535', '20000'));
    await page.until('figure-tiles', UNDER_WAY);
    await page.tab.evaluate(() => {
        globalThis.kept = true;
    });
    await page.tab.goto(`${bridge.url}/web/icon.svg`);
    await untilFree();
    await page.tab.goBack({waitUntil: 'commit'});
    assert.equal(await page.tab.evaluate(() => globalThis.kept), true); // it is the same page
    await page.finished();
    assert.equal(await page.text('figure-tiles'), '64 of 64');
    assert.equal(await page.id('alert').isVisible(), false);
    await page.until('service-text', 'Serving');
    assert.deepEqual(page.said.filter((line) => !NO_ICON.test(line)), []);
    await page.close();
});

test('who comes back to a run that is over sees it as it was', async () => {
    const page = await Page.open(browser, bridge.url, SLOW.replace('65535', '20'));
    await page.finished();
    const status = await page.text('status');
    await page.tab.goto(`${bridge.url}/web/icon.svg`);
    await page.tab.goBack({waitUntil: 'commit'});
    assert.equal(await page.text('status'), status);
    await page.close();
});

test('a comparison that was left has stopped', async () => {
    const page = await Page.open(browser, bridge.url, SLOW.replace('65535', '20'));
    await page.finished();
    for (const [name, value] of [['max_iter', '65535'], ['width', '4096'], ['height', '4096']]) {
        await page.field(name).fill(value);
    }
    const panel = page.id('compare-concurrent');
    await panel.getByRole('button', {name: 'Compare', exact: true}).click();
    await panel.getByText(/^Run 1 of 10/).waitFor();
    await page.tab.goto(`${bridge.url}/web/icon.svg`);
    await untilFree();
    await page.tab.goBack({waitUntil: 'commit'});
    await panel.getByText('Stopped before the first round was complete.').waitFor();
    assert.ok(await panel.getByRole('button', {name: 'Compare', exact: true}).isEnabled());
    await page.close();
});
