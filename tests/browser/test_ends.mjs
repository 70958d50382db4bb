// What goes wrong, as the page tells of it.
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {Browser, Cutter, Page, Process, ROOT, metric, until} from './browser.mjs';

const {duration} = await import(path.join(ROOT, 'client', 'web', 'format.js'));

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
        assert.ok((await page.text(await page.field(name).getAttribute('aria-errormessage'))).includes(answer.error));
        assert.equal(await page.text('service-text'), 'Serving');
        assert.equal(await page.text('status'), 'The run failed; what is shown is the run before');
        assert.equal(await page.text('figure-tiles'), '9 of 9');
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
    await until('one runs and one waits', async () => await metric(bridge.url, 'tilery_server_runs_queued') === 1);
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.until('alert-hint', /^Try again in [0-9]+ seconds?\.$/);
    assert.equal(await page.text('service-text'), 'Serving');
    holder.abort();
    await Promise.all(held);
    await until('there is room', async () => await metric(bridge.url, 'tilery_server_runs_running') === 0);
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
    const server = await Process.start('tileryd', '--listen', 'tcp://127.0.0.1:0', '--token-file', file);
    const shunned = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0', '--backend', server.url);
    const other = await Page.open(browser, shunned.url, SMALL);
    await other.until('alert-text', /the bridge's own token/);
    assert.equal(await other.id('token-field').isVisible(), false); // nobody here has it
    await other.close();
    await shunned.close();
    await server.close();
    await bridge.close();
    rmSync(home, {recursive: true});
});

test('a service that is killed and started again is found again, and its run made anew', async () => {
    let bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const page = await Page.open(browser, bridge.url, SLOW);
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    await bridge.close('SIGKILL');
    await page.until('status', /The connection was lost/);
    await page.until('service-text', /Lost; trying again/);
    await page.field('max_iter').fill('64');
    bridge = await Process.start('tilery-bridge', '--listen', bridge.url.replace('http://', ''));
    await page.until('service-text', /Serving/);
    await page.until('status', /64 tiles in .*; made again, since the service had lost the run/);
    assert.equal(await page.id('alert').isVisible(), false);
    await page.id('run').click();
    await page.until('status', /^64 tiles in [^;]*$/);
    await page.close();
    await bridge.close();
});

test('a server behind the bridge that is killed in mid-run is told of, and the run made anew', async () => {
    let server = await Process.start('tileryd', '--listen', 'tcp://127.0.0.1:0');
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0', '--backend', server.url);
    const page = await Page.open(browser, bridge.url, SLOW);
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    await server.close('SIGKILL');
    await page.until('status', /The service lost the run/);
    await page.until('alert-text', /./);
    assert.match(await page.text('alert-hint'), /makes the run anew/);
    await page.until('service-text', /Lost; trying again/);
    await page.field('max_iter').fill('64');
    server = await Process.start('tileryd', '--listen', server.url);
    await page.until('status', /64 tiles in .*; made again/);
    await page.close();
    await bridge.close();
    await server.close();
});

test('a connection that is cut is taken up where it ended', async () => {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const proxy = await Cutter.start(bridge.url);
    const slow = SLOW.replace('65535', '20000'); // it must not be over when the connection is cut
    const page = await Page.open(browser, proxy.url, slow);
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    proxy.cut();
    await page.finished();
    assert.equal(await page.text('figure-tiles'), '64 of 64');
    assert.match(await page.text('status'), /^64 tiles in [^;]*$/);
    assert.ok(proxy.resumed.length > 0);
    assert.match(proxy.resumed[0], /^[0-9a-f]{32}\/[0-9]+$/);
    assert.deepEqual(await page.pixels(), await page.served(slow));
    await page.close();
    await proxy.close();
    await bridge.close();
});

// A stream of which these are the lines.
async function told(page, ...lines) {
    await page.tab.route(/\/api\/compute\/stream/, (route) => route.fulfill({
        contentType: 'application/x-ndjson', body: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    }));
    await page.id('run').click();
}

test('what ended a stream is shown as the service gave it', async () => {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.finished();
    const run = {event: 'run', id: 'a/1', run: 'a', tiles_planned: 9, params: {width: 96, height: 96, tile_w: 32, tile_h: 32,
        max_iter: 64, time_limit_ms: 2000, num_threads: 2}};
    const error = 'the run met a failure <b>of the test</b>';
    await told(page, run, {event: 'failure', id: 'a/2', success: false, error, code: 'INTERNAL'},
        {event: 'end', id: 'a/3', tiles: 0});
    await page.until('alert-text', error);
    assert.equal(await page.text('alert-text'), error);
    assert.equal(await page.text('status'), 'The run failed');
    assert.equal(await page.text('service-text'), 'Serving');
    await page.tab.unroute(/\/api\/compute\/stream/);
    await told(page, run, {event: 'end', id: 'a/2', tiles: 0});
    await page.until('alert-text', 'The run ended without its summary.');
    await page.tab.unroute(/\/api\/compute\/stream/);
    await page.close();
    await bridge.close();
});

test('a run that is lost each time is not made anew for ever', async () => {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.finished();
    const run = {event: 'run', id: 'a/1', run: 'a', tiles_planned: 9, params: {width: 96, height: 96, tile_w: 32, tile_h: 32,
        max_iter: 64, time_limit_ms: 2000, num_threads: 2}};
    let asked = 0;
    page.tab.on('request', (request) => {
        asked += request.url().includes('/api/compute/stream');
    });
    await told(page, run, {event: 'failure', id: 'a/2', success: false, error: 'the server cannot be reached', code: 'UNAVAILABLE'},
        {event: 'end', id: 'a/3', tiles: 0});
    await until('the page gives up', async () => asked >= 4 && await page.text('alert-hint') === '');
    assert.equal(await page.text('status'), 'The service lost the run');
    assert.equal(await page.text('alert-text'), 'the server cannot be reached');
    await page.until('service-text', /Serving/);
    assert.equal(asked, 4);
    await page.close();
    await bridge.close();
});

test('a comparison waits for a service that is gone', async () => {
    let bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.finished();
    await page.field('max_iter').fill('65535');
    await page.field('kernel').selectOption('scalar');
    await page.field('width').fill('4096');
    await page.field('height').fill('4096');
    await page.id('compare-rounds-concurrent').fill('1');
    const panel = page.id('compare-concurrent');
    await panel.getByRole('button', {name: 'Compare', exact: true}).click();
    await until('it is at work', async () => await metric(bridge.url, 'tilery_server_runs_running') === 1);
    await bridge.close('SIGKILL');
    await panel.getByText('The service cannot be reached. Asking again in 1 s').waitFor();
    await page.until('service-text', /Lost; trying again/);
    await page.tab.route(/\/api\/compute\/(sequential|concurrent)/, (route) => route.continue({
        url: route.request().url().replaceAll('4096', '64'),
    }));
    bridge = await Process.start('tilery-bridge', '--listen', bridge.url.replace('http://', ''));
    await panel.getByText('Done: 2 runs.').waitFor();
    await page.until('service-text', /Serving/);
    await page.close();
    await bridge.close();
});

test('a run that another server ends has a clock for each', async () => {
    const servers = await Promise.all([1, 2].map(() => Process.start('tileryd', '--listen', 'tcp://127.0.0.1:0')));
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0', '--backend', servers.map(({url}) => url).join());
    const page = await Page.open(browser, bridge.url, SLOW.replace('65535', '40000'));
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    const text = await (await fetch(`${bridge.url}/metrics`)).text();
    const at = servers.findIndex(({url}) => text.includes(`tilery_server_runs_running{server="${url}"} 1\n`));
    assert.ok(at >= 0, 'neither server is at work');
    const [lost] = servers.splice(at, 1);
    await lost.close('SIGKILL');
    await page.until('status', /^64 tiles; a server was lost meanwhile$/);
    assert.equal(await page.text('figure-tiles'), '64 of 64');
    assert.match(await page.text('lesson'), /^A server was lost in mid-run/);
    for (const name of ['wall', 'busy', 'imbalance']) {
        assert.equal(await page.text(`figure-${name}`), '–');
    }
    const {data, summary} = JSON.parse((await page.download('save-json')).bytes);
    const ends = (which) => Math.max(...data.filter(({attempt}) => attempt === which)
        .map(({start_time_ns: start, duration_ns: took}) => start + took));
    assert.deepEqual([...new Set(data.map(({attempt}) => attempt))], [0, 1]);
    assert.ok(ends(1) <= summary.wall_ns);
    const {traceEvents} = JSON.parse((await page.download('save-trace')).bytes);
    const change = traceEvents.find(({ph}) => ph === 'i').ts;
    assert.ok(Math.abs(change - ends(0) / 1000) < 0.001);
    data.forEach(({task_id: task, attempt}) => {
        const {ts, dur} = traceEvents.find(({name}) => name === `tile ${task}`);
        assert.ok(attempt === 0 ? ts + dur <= change + 0.001 : ts >= change);
    });
    await page.slide('scrubber', 1000);
    assert.equal(await page.text('clock'), `${duration(change * 1000 + summary.wall_ns)} of ${duration(change * 1000 + summary.wall_ns)}`);
    assert.deepEqual(page.said, []);
    await page.close();
    await bridge.close();
    await servers[0].close();
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
