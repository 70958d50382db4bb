// Runs, as the page shows them.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {Browser, Page, Process, ROOT, metric, until} from './browser.mjs';

const SMALL = 'width=16&height=12&tile_w=5&tile_h=5&max_iter=50&time_limit_ms=600000';
const MEDIUM = 'width=320&height=200&tile_w=40&tile_h=40&max_iter=300&time_limit_ms=600000&num_threads=3';
const SLOW = 'width=256&height=256&tile_w=32&tile_h=32&max_iter=65535&kernel=scalar&region=-0.2,-0.1,0.2,0.2'
    + '&time_limit_ms=600000&num_threads=2&schedule=dynamic';
const REFERENCE = readFileSync(path.join(ROOT, 'tests', 'vectors', 'kernel_16x12_50.txt'), 'utf8')
    .split('\n').filter((line) => line && !line.startsWith('#')).flatMap((line) => line.trim().split(/\s+/).map(Number));

let bridge, browser, page;

before(async () => {
    bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    browser = await Browser.start();
    page = await Page.open(browser, bridge.url, SMALL);
});

after(async () => {
    assert.deepEqual(page.said, []);
    await browser.close();
    assert.equal(await bridge.close(), 0);
});

const colours = ({data}) => Array.from({length: data.length / 4}, (_, i) => data.subarray(4 * i, 4 * i + 4).join());
const painted = ({data}) => data.filter((value, i) => i % 4 === 3 && value === 255).length;

test('the canvas shows the reference counts', async () => {
    await page.finished();
    const shown = await page.pixels();
    assert.equal(REFERENCE.length, 16 * 12);
    const found = new Map();
    colours(shown).forEach((colour, i) => found.set(colour, (found.get(colour) ?? new Set()).add(REFERENCE[i])));
    for (const [colour, counts] of found) {
        assert.equal(counts.size, 1, `${colour} stands for ${[...counts]}`);
    }
    assert.equal(found.size, new Set(REFERENCE).size);
    assert.deepEqual([...found.get('0,0,0,255')], [50]);
});

for (const mode of ['concurrent', 'sequential']) {
    test(`a ${mode} run is the service's own picture`, async () => {
        await page.follow(`${MEDIUM}&mode=${mode}`);
        await page.finished();
        assert.deepEqual(await page.pixels(), await page.served(MEDIUM));
        assert.equal(await page.text('figure-threads'), mode === 'sequential' ? '1' : '3');
        assert.equal(await page.text('figure-tiles'), '40 of 40');
        assert.match(await page.text('url'), new RegExp(`/api/compute/${mode}\\?width=320&`));
        assert.equal(/num_threads/.test(await page.text('curl')), mode === 'concurrent');
    });
}

test('the sentence fits what there was to share', async () => {
    const shape = (tile, more) => `width=64&height=64&tile_w=${tile}&tile_h=${tile}&time_limit_ms=600000&${more}`;
    await page.follow(shape(64, 'num_threads=4'));
    await page.finished();
    assert.match(await page.text('lesson'), /^There is one tile, /);
    await page.follow(shape(16, 'num_threads=1'));
    await page.finished();
    assert.match(await page.text('lesson'), /^One thread did it all\. /);
    await page.follow(`${shape(32, 'num_threads=4')}&kernel=scalar&max_iter=5000&schedule=static&region=-2,-2,4,2`);
    await page.finished();
    assert.doesNotMatch(await page.text('lesson'), /dynamic/); // a tile each: no schedule shares them better
    await page.follow('width=400&height=300&tile_w=32&tile_h=32&kernel=scalar&max_iter=5000&num_threads=4&time_limit_ms=600000');
    await page.finished();
    assert.match(await page.text('lesson'), /more of the black interior, where every pixel takes all 5,000 iterations\. .*hatched/);
});

test('by thread the picture is the service\'s own too, where threads are fixed', async () => {
    await page.follow(MEDIUM);
    await page.finished();
    await page.tab.locator('#colour [value=thread]').check({force: true});
    assert.deepEqual(await page.pixels(), await page.served(`${MEDIUM}&palette=thread`));
    await page.tab.locator('#colour [value=escape]').check({force: true});
    assert.deepEqual(await page.pixels(), await page.served(MEDIUM));
});

test('tiles are shown while others are computed, and Stop ends the run at the server', async () => {
    const before = await metric(page.url, 'tilery_server_cancelled_runs_total');
    await page.follow(SLOW);
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    assert.match(await page.text('status'), /Computing 64 tiles/);
    const shown = painted(await page.pixels());
    assert.ok(shown >= 32 * 32 && shown < 256 * 256, `${shown} pixels`);
    await page.id('stop').click();
    await page.until('status', /Stopped after/);
    assert.equal(await page.id('alert').isVisible(), false);
    await until('the server has let go of it', async () => await metric(page.url, 'tilery_server_streams') === 0);
    // The stream goes at once, its run when the last of its threads has looked up.
    await until('its threads are free', async () => await metric(page.url, 'tilery_server_runs_running') === 0);
    await until('it is counted', async () => await metric(page.url, 'tilery_server_cancelled_runs_total') === before + 1);
    await page.id('run').focus();
});

test('a new run ends the one before', async () => {
    await page.follow(SLOW);
    await page.until('figure-tiles', /^[1-9][0-9]* of 64$/);
    await page.field('max_iter').fill('20');
    await page.id('run').click();
    await page.finished();
    assert.equal(await page.text('figure-tiles'), '64 of 64');
    await until('the server has let go of it', async () => await metric(page.url, 'tilery_server_streams') === 0);
});

test('a replay shows what was finished by then', async () => {
    await page.follow(MEDIUM);
    await page.finished();
    const {bytes} = await page.download('save-json');
    const {data, summary} = JSON.parse(bytes);
    for (const part of [0, 0.5, 0.9]) {
        await page.slide('scrubber', 1000 * part);
        const done = data.filter((record) => record.start_time_ns + record.duration_ns <= part * summary.wall_ns);
        assert.equal(painted(await page.pixels()), done.reduce((sum, {columns, rows}) => sum + columns * rows, 0));
    }
    await page.id('restart').click();
    assert.equal(painted(await page.pixels()), 320 * 200);
    await page.slide('speed', -3);
    assert.match(await page.text('speed-text'), /1,000 × slower/);
    await page.id('play').click();
    await page.until('play', /Pause/);
    await page.id('play').click();
    await page.until('play', /Replay/);
    await page.slide('speed', 1);
    await page.id('play').click();
    await page.until('play', /Replay/);
    assert.equal(painted(await page.pixels()), 320 * 200);
});

test('image and timeline mark the same tile', async () => {
    await page.follow(MEDIUM);
    await page.finished();
    const over = () => page.tab.evaluate(() => {
        const canvas = document.querySelector('#picture .over');
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    });
    const {data} = JSON.parse((await page.download('save-json')).bytes);
    await page.tab.mouse.move(...await page.point('#picture .over', 2.5 / 8, 1.5 / 5));
    await page.id('tile').waitFor();
    const record = data.find(({task_id: task}) => task === 10);
    assert.equal(await page.text('tile-task'), '10');
    assert.equal(await page.text('tile-thread'), String(record.thread_id));
    assert.equal(await page.text('tile-pixels'), '40 × 40 = 1,600');
    await page.tab.mouse.move(2, 2);
    await page.id('tile-none').waitFor();
    // A lane's longest bar but the first.
    const [longest] = data.filter(({thread_id: thread}) => thread === 1).slice(1).sort((a, b) => b.duration_ns - a.duration_ns);
    const {width} = await page.id('timeline').boundingBox();
    const wall = JSON.parse((await page.download('save-json')).bytes).summary.wall_ns;
    const [left, top] = await page.point('#timeline canvas', 0, 0);
    const at = (longest.start_time_ns + longest.duration_ns / 2) / wall;
    await page.tab.mouse.move(left + 64 + at * (width - 64 - 54), top + 26 + 30 + 13);
    await page.id('tile').waitFor();
    assert.equal(await page.text('tile-task'), String(longest.task_id));
    await until('a frame has drawn it', async () => await over() !== 0);
    await page.tab.mouse.move(2, 2);
});

test('the keyboard goes from tile to tile and from bar to bar', async () => {
    await page.tab.locator('#picture .over').focus();
    for (const [key, task] of [['Home', 0], ['ArrowRight', 1], ['ArrowDown', 9], ['End', 39], ['ArrowUp', 31]]) {
        await page.tab.keyboard.press(key);
        assert.equal(await page.text('tile-task'), String(task), key);
    }
    assert.match(await page.text('tile-said'), /Task 31, thread 2, start .*, duration .*, 1,600 pixels/);
    await page.tab.locator('#timeline canvas').focus();
    assert.equal(await page.text('tile-task'), '31'); // it stays for the timeline
    await page.tab.keyboard.press('Escape');
    assert.equal(await page.id('tile').isVisible(), false);
    const threads = [];
    for (const key of ['ArrowRight', 'ArrowDown', 'ArrowDown', 'ArrowUp']) {
        await page.tab.keyboard.press(key);
        threads.push(await page.text('tile-thread'));
    }
    assert.deepEqual(threads, ['0', '1', '2', '1']);
});

test('dragging zooms into the set, and back', async () => {
    await page.follow(`${MEDIUM}&region=-2,-1,3.2,2`);
    await page.finished();
    await page.tab.mouse.move(...await page.point('#picture .over', 0.25, 0.25));
    await page.tab.mouse.down();
    await page.tab.mouse.move(...await page.point('#picture .over', 0.5, 0.5), {steps: 4});
    await page.tab.mouse.up();
    await page.until('status', /Computing|Waiting|tiles in/);
    const region = (await page.field('region').inputValue()).split(',').map(Number);
    [-1.2, -0.5, 0.8, 0.5].forEach((value, i) => assert.ok(Math.abs(region[i] - value) < 0.02, String(region)));
    assert.ok(decodeURIComponent(page.tab.url()).includes(`region=${region}`));
    await page.tab.locator('#result[data-busy=false]').waitFor();
    await page.finished();
    assert.deepEqual(await page.pixels(), await page.served(`${MEDIUM}&region=${region}`));
    await page.id('zoom-back').click();
    assert.equal(await page.field('region').inputValue(), '-2,-1,3.2,2');
    await page.tab.locator('#result[data-busy=false]').waitFor();
    assert.deepEqual(await page.pixels(), await page.served(`${MEDIUM}&region=-2,-1,3.2,2`));
    const {params, message} = JSON.parse((await page.download('save-json')).bytes);
    const answer = await (await fetch(await page.text('url'))).json();
    assert.deepEqual({params, message}, {params: answer.params, message: answer.message});
    assert.equal(await page.id('zoom-back').isDisabled(), true);
});

test('the time limit is told of', async () => {
    await page.follow(`${MEDIUM}&time_limit_ms=0`.replace('time_limit_ms=600000&', ''));
    await page.until('status', /The time limit came after 0 tiles of 40/);
    assert.equal(painted(await page.pixels()), 0);
    assert.equal(await page.text('figure-threads'), '3');
    await page.tab.waitForFunction(() => document.querySelector('#timeline canvas').style.height === `${26 + 3 * 30 + 4}px`);
});

test('an address is shared with all its settings', async () => {
    await page.follow('');
    await page.finished();
    await page.id('preset').selectOption('fine');
    await page.field('num_threads').fill('7');
    await page.field('width').fill('128');
    await page.field('height').fill('96');
    await page.field('time_limit_ms').fill('600000');
    await page.id('run').click();
    const other = await Page.open(browser, page.url, new URL(page.tab.url()).hash.slice(1));
    await other.finished();
    for (const name of ['width', 'height', 'tile_w', 'num_threads', 'schedule', 'kernel', 'max_iter']) {
        assert.equal(await other.field(name).inputValue(), await page.field(name).inputValue(), name);
    }
    assert.equal(await other.field('schedule').inputValue(), 'stealing');
    assert.equal(await other.text('figure-tiles'), '192 of 192');
    assert.match(await other.text('curl'), /^curl 'http:.*width=128.*num_threads=7&schedule=stealing&kernel=scalar'$/);
    const answer = await (await fetch(await other.text('url'))).json();
    assert.equal(answer.data.length, 192);
    assert.deepEqual(other.said, []);
    await other.close();
});

test('a hundred thousand tiles are shown, and replayed', async () => {
    const many = 'width=1600&height=1024&tile_w=4&tile_h=4&max_iter=50&time_limit_ms=600000&num_threads=4&schedule=dynamic';
    await page.follow(many);
    await page.until('status', /^102,400 tiles in /);
    const {data, summary} = JSON.parse((await page.download('save-json')).bytes);
    for (const part of [0.5, 0, 0.99]) {
        await page.slide('scrubber', 1000 * part);
        const done = data.filter((record) => record.start_time_ns + record.duration_ns <= part * summary.wall_ns);
        assert.equal(painted(await page.pixels()), 16 * done.length);
    }
    await page.id('restart').click();
    const [shown, served] = [await page.pixels(), await page.served(many)];
    assert.ok(shown.data.equals(served.data));
});

test('the address has how the run is looked at, too', async () => {
    await page.follow(`${MEDIUM}&colour=thread&compare=scaling&most=6&steps=each+number&rounds=3&left=cyclic&right=nonsense`);
    await page.finished();
    assert.deepEqual(await page.pixels(), await page.served(`${MEDIUM}&palette=thread`));
    assert.equal(await page.id('compare-scaling').isVisible(), true);
    for (const [name, value] of [['most', '6'], ['steps', 'each number'], ['rounds-scaling', '3'], ['left', 'cyclic'],
        ['right', 'dynamic']]) {
        assert.equal(await page.id(`compare-${name}`).inputValue(), value, name);
    }
    await page.tab.locator('#colour [value=escape]').check({force: true});
    await page.id('compare-tab-schedules').click();
    await page.id('compare-right').selectOption('guided');
    await page.id('compare-rounds-schedules').fill('7');
    const given = Object.fromEntries(new URLSearchParams(new URL(await page.address()).hash.slice(1)));
    assert.equal(given.colour, undefined);
    assert.deepEqual([given.compare, given.left, given.right, given.rounds], ['schedules', 'cyclic', 'guided', '7']);
    assert.equal(await page.text('link'), await page.address());
    assert.equal(await page.text('figure-tiles'), '40 of 40'); // looking computes nothing anew
});

test('the browser goes back and forward through runs and regions', async () => {
    await page.follow(MEDIUM);
    await page.finished();
    const region = page.field('region');
    const idle = () => page.tab.locator('#result[data-busy=false]').waitFor();
    await page.id('zoom-in').click();
    await idle();
    const first = await region.inputValue();
    await page.id('zoom-in').click();
    await idle();
    const second = await region.inputValue();
    assert.notEqual(second, first);
    await page.field('num_threads').fill('2');
    await page.id('run').click();
    await idle();
    await page.tab.goBack();
    await page.until('figure-threads', /^3$/);
    assert.equal(await region.inputValue(), second);
    await page.tab.goBack();
    await idle();
    assert.equal(await region.inputValue(), first);
    assert.deepEqual(await page.pixels(), await page.served(`${MEDIUM}&region=${first}`));
    await page.tab.goForward();
    await idle();
    assert.equal(await region.inputValue(), second);
    await page.tab.reload();
    await page.finished();
    await page.id('zoom-back').click(); // it is known still
    await idle();
    assert.equal(await region.inputValue(), first);
    await page.id('zoom-back').click();
    await idle();
    assert.equal(await region.inputValue(), '');
    assert.equal(await page.id('zoom-back').isDisabled(), true);
});

test('link, URL and curl command are copied', async () => {
    await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], {origin: page.url});
    for (const name of ['link', 'url', 'curl']) {
        await page.tab.locator(`[data-copy=${name}]`).click();
        await page.tab.locator(`[data-copy=${name}]`, {hasText: 'Copied'}).waitFor();
        assert.equal(await page.tab.evaluate(() => navigator.clipboard.readText()), await page.text(name));
    }
    const twice = page.tab.locator('[data-copy=url]');
    await twice.dblclick();
    await twice.filter({hasText: 'Copied'}).waitFor();
    await twice.filter({hasText: 'Copy URL'}).waitFor();
});

test('picture, trace and records can be kept', async () => {
    await page.follow(MEDIUM);
    await page.finished();
    const records = JSON.parse((await page.download('save-json')).bytes);
    assert.equal(records.data.length, 40);
    assert.equal(records.summary.tiles_done, 40);
    const trace = JSON.parse((await page.download('save-trace')).bytes);
    const bars = trace.traceEvents.filter(({ph}) => ph === 'X');
    assert.deepEqual(bars.map(({tid}) => tid).sort(), records.data.map(({thread_id: id}) => id).sort());
    const png = await page.download('save-png');
    assert.equal(png.name, 'tilery.png');
    assert.deepEqual([png.bytes.readUInt32BE(16), png.bytes.readUInt32BE(20)], [320, 200]);
    await page.id('records').locator('summary').click();
    await page.id('rows').locator('tr').first().waitFor();
    assert.equal(await page.id('rows').locator('tr').count(), 40);
});
