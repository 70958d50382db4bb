// A service that says nothing any more, and how often it is asked how it is, by a clock that the tests tell to go on.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Browser, Cutter, Page, Process} from './browser.mjs';

const SMALL = 'width=96&height=96&tile_w=32&tile_h=32&max_iter=64&time_limit_ms=600000&num_threads=2';
const SLOW = 'width=256&height=256&tile_w=32&tile_h=32&max_iter=65535&kernel=scalar&region=-0.2,-0.1,0.2,0.2'
    + '&time_limit_ms=600000&num_threads=2&schedule=dynamic';

let browser; // the clock is all its pages'

before(async () => {
    browser = await Browser.start();
});

after(() => browser.close());

// The page's clock stands still from then on, and goes on only as it is told.
async function stopClock(page, inMs) {
    await page.tab.clock.pauseAt(await page.tab.evaluate(() => Date.now()) + inMs);
}

// Once the page has told anew, after what is done, how the service is.
async function toldAnew(page, done) {
    const told = await page.tab.evaluateHandle(() => ({
        so: new Promise((resolve) => {
            new MutationObserver(() => resolve()).observe(document.getElementById('service'), {attributes: true});
        }),
    }));
    await done();
    await told.evaluate(({so}) => so);
}

test('a connection on which nothing comes is given up, and taken up where it was', async () => {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const proxy = await Cutter.start(bridge.url);
    const slow = SLOW.replace('65535', '20000');
    const page = await Page.open(browser, proxy.url, slow, {clock: true});
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    await stopClock(page, 5000);
    proxy.hush();
    await page.tab.clock.runFor(20000);
    assert.equal(await page.text('status'), 'Computing 64 tiles');
    await page.tab.clock.runFor(30000); // from what came last
    await page.until('status', /The connection was lost; taking it up again/);
    proxy.cut();
    proxy.speak();
    await page.tab.clock.resume();
    await page.finished();
    assert.equal(await page.text('figure-tiles'), '64 of 64');
    assert.match(await page.text('status'), /^64 tiles in [^;]*$/);
    assert.match(proxy.resumed[0], /^[0-9a-f]{32}\/[0-9]+$/);
    await page.close();
    await proxy.close();
    await bridge.close();
});

test('a service that takes questions and answers none is lost', async () => {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const proxy = await Cutter.start(bridge.url);
    const page = await Page.open(browser, proxy.url, SLOW, {clock: true});
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    await stopClock(page, 5000);
    proxy.hush();
    for (let seconds = 0; await page.text('status') !== 'The service lost the run'; seconds++) {
        assert.ok(seconds < 300, 'the page goes on waiting');
        await page.tab.clock.runFor(1000);
    }
    assert.ok(proxy.resumed.length > 0);
    await page.until('service-text', /Lost; trying again/);
    await page.field('max_iter').fill('64');
    proxy.cut();
    proxy.speak();
    await page.tab.clock.resume();
    await page.until('status', /64 tiles in .*; made again/);
    await page.until('service-text', 'Serving');
    await page.close();
    await proxy.close();
    await bridge.close();
});

test('a comparison asks anew what a service that was lost may never answer', async () => {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const proxy = await Cutter.start(bridge.url);
    const page = await Page.open(browser, proxy.url, `${SMALL}&rounds=25&kernel=scalar`, {clock: true});
    await page.finished();
    const panel = page.id('compare-concurrent');
    await panel.getByRole('button', {name: 'Compare', exact: true}).click();
    await panel.getByText(/^Run [2-9]/).waitFor();
    proxy.hush();
    await stopClock(page, 5000);
    for (let seconds = 0; !/Lost/.test(await page.text('service-text')); seconds++) {
        assert.ok(seconds < 300, 'the page takes it for serving');
        await page.tab.clock.runFor(1000);
    }
    proxy.speak({stale: true});
    await page.tab.clock.resume();
    await panel.getByText('Done: 50 runs.').waitFor();
    await page.until('service-text', 'Serving');
    await page.close();
    await proxy.close();
    await bridge.close();
});

test('the service is asked how it is every 10 s, and every second while it is lost', async () => {
    let bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const proxy = await Cutter.start(bridge.url);
    const page = await Page.open(browser, proxy.url, SMALL, {clock: true});
    await page.finished();
    await page.until('service-text', 'Serving');
    await toldAnew(page, () => stopClock(page, 3600000));
    const asked = (ms) => toldAnew(page, () => page.tab.clock.runFor(ms));
    let questions = 0;
    page.tab.on('request', (request) => {
        questions += request.url().endsWith('/health');
    });
    await asked(10000);
    assert.equal(questions, 1);
    await page.tab.clock.runFor(9000);
    assert.equal(questions, 1);
    await asked(1000);
    assert.equal(questions, 2);
    proxy.hush();
    proxy.cut();
    await page.tab.clock.runFor(10000);
    await page.tab.clock.runFor(9000);
    assert.equal(await page.text('service-text'), 'Serving');
    await asked(1000);
    await page.until('service-text', /Lost; trying again/);
    assert.equal(questions, 3);
    proxy.speak();
    await bridge.close('SIGKILL');
    for (const before of [3, 4]) {
        await asked(1000);
        assert.equal(questions, before + 1);
        assert.match(await page.text('service-text'), /Lost/);
    }
    bridge = await Process.start('tilery-bridge', '--listen', bridge.url.replace('http://', ''));
    await asked(1000);
    await page.until('service-text', 'Serving');
    await page.close();
    await proxy.close();
    await bridge.close();
});
