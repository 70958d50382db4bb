// What goes wrong, as the page tells of it.
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {Browser, Page, Process, metric} from './browser.mjs';

const SMALL = 'width=96&height=96&tile_w=32&tile_h=32&max_iter=64&time_limit_ms=600000&num_threads=2';
const SLOW = 'width=256&height=256&tile_w=32&tile_h=32&max_iter=65535&kernel=scalar&region=-0.2,-0.1,0.2,0.2'
    + '&time_limit_ms=600000&num_threads=2&schedule=dynamic';
const TOKEN = 'a-token-of-the-tests';

let browser;

before(async () => {
    browser = await Browser.start();
});

after(() => browser.close());

test('an error is shown as the service gave it', async () => {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.finished();
    for (const [name, value] of [['width', '0'], ['num_threads', '257'], ['max_iter', '65536'], ['tile_h', '1.5']]) {
        const old = await page.field(name).inputValue();
        await page.field(name).fill(value);
        await page.id('run').click();
        await page.until('alert-text', new RegExp(`${name}.*${value}`));
        const answer = await (await fetch(await page.text('url'))).json();
        assert.equal(await page.text('alert-text'), answer.error);
        assert.equal(await page.field(name).getAttribute('aria-invalid'), 'true');
        assert.equal(await page.text('service-text'), 'Serving');
        await page.field(name).fill(old);
        await page.id('run').click();
        await page.finished();
        assert.equal(await page.id('alert').isVisible(), false);
        assert.equal(await page.field(name).getAttribute('aria-invalid'), null);
    }
    await page.field('region').fill('0,0,<b>1</b>,1');
    await page.id('run').click();
    await page.until('alert-text', /region.*<b>1<\/b>/);
    assert.equal(await page.id('alert').locator('b').count(), 0);
    await page.close();
    await bridge.close();
});

test('a service that is busy says for how long', async () => {
    const server = await Process.start('tileryd', '--listen', 'tcp://127.0.0.1:0', '--max-threads', '1', '--max-queue', '1');
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0', '--backend', server.url);
    const holder = new AbortController();
    const held = [1, 2].map(() => fetch(`${bridge.url}/api/compute/sequential?${SLOW}`, {signal: holder.signal}).catch(() => null));
    while (await metric(bridge.url, 'tilery_server_runs_queued') !== 1) {
        // until one runs and one waits
    }
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.until('alert-text', /Try again in [0-9]+ seconds?\.$/);
    assert.equal(await page.text('service-text'), 'Serving');
    holder.abort();
    await Promise.all(held);
    while (await metric(bridge.url, 'tilery_server_runs_running') !== 0) {
        // until there is room
    }
    await page.id('again').click();
    await page.finished();
    await page.close();
    await bridge.close();
    await server.close();
});

test('a token is asked for, and used', async () => {
    const home = mkdtempSync(path.join(tmpdir(), 'tilery-token-'));
    const file = path.join(home, 'token');
    writeFileSync(file, `${TOKEN}\n`, {mode: 0o600});
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0', '--token-file', file);
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.until('alert-text', /the service wants a token/);
    await page.id('token').fill('a-token-that-is-wrong');
    await page.id('run').click();
    await page.until('alert-text', /the token is not the service's/);
    await page.id('token').fill(TOKEN);
    await page.id('run').click();
    await page.finished();
    assert.equal(await page.id('alert').isVisible(), false);
    assert.equal(await page.text('figure-tiles'), '9 of 9');
    assert.ok(!page.tab.url().includes(TOKEN));
    assert.ok(!(await page.text('curl')).includes(TOKEN));
    await page.close();
    await bridge.close();
    rmSync(home, {recursive: true});
});

test('a service that is killed and started again is found again', async () => {
    let bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const page = await Page.open(browser, bridge.url, SLOW);
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    await bridge.close('SIGKILL');
    await page.until('status', /The connection was lost/);
    await page.until('service-text', /Lost; trying again/);
    await page.field('max_iter').fill('64');
    bridge = await Process.start('tilery-bridge', '--listen', bridge.url.replace('http://', ''));
    await page.until('service-text', /Serving/);
    await page.finished();
    assert.equal(await page.text('figure-tiles'), '64 of 64');
    assert.equal(await page.id('alert').isVisible(), false);
    await page.close();
    await bridge.close();
});

test('a bridge without its server says so, and goes on when it is there', async () => {
    let server = await Process.start('tileryd', '--listen', 'tcp://127.0.0.1:0');
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0', '--backend', server.url);
    await server.close();
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.id('alert').waitFor();
    await page.until('service-text', /Lost; trying again/);
    server = await Process.start('tileryd', '--listen', server.url);
    await page.finished();
    await page.until('service-text', /Serving/);
    await page.close();
    await bridge.close();
    await server.close();
});
