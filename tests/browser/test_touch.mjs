// Fingers, keys, little room and no motion.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Browser, Page, Process, until} from './browser.mjs';

const RUN = 'width=320&height=200&tile_w=40&tile_h=40&max_iter=300&time_limit_ms=600000&num_threads=3&kernel=scalar';

let bridge, browser, page, session;

before(async () => {
    bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    browser = await Browser.start();
    page = await Page.open(browser, bridge.url, RUN);
    await page.tab.setViewportSize({width: 390, height: 800});
    session = await browser.context.newCDPSession(page.tab);
    await session.send('Emulation.setTouchEmulationEnabled', {enabled: true, maxTouchPoints: 5});
});

after(async () => {
    assert.deepEqual(page.said, []);
    await browser.close();
    assert.equal(await bridge.close(), 0);
});

const touch = (type, ...points) => session.send('Input.dispatchTouchEvent',
    {type, touchPoints: points.map(([x, y], id) => ({x, y, id}))});

// Fingers that go through these places: each [[x, y], ...], one for each finger.
async function fingers(...places) {
    await touch('touchStart', ...places[0]);
    for (const place of places.slice(1)) {
        await touch('touchMove', ...place);
    }
    await touch('touchEnd');
}

const drawn = () => page.tab.evaluate(() => new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(document.querySelector('#timeline canvas').toDataURL())));
}));

const region = async () => (await page.field('region').inputValue()).split(',').map(Number);

const regionIs = (what, so) => until(`the region is ${what}`, async () => so(await page.field('region').inputValue()));

const idle = () => page.tab.locator('#result[data-busy=false]').waitFor();

test('a tap tells of a tile, and of a bar', async () => {
    await page.finished();
    await fingers([await page.point('#picture .over', 2.5 / 8, 1.5 / 5)]);
    await page.until('tile-task', /^10$/);
    assert.match(await page.text('tile-said'), /^Task 10, thread /);
    const {data, summary} = JSON.parse((await page.download('save-json')).bytes);
    const longest = data.filter(({thread_id: thread}) => thread === 1).reduce((most, record) =>
        record.duration_ns > most.duration_ns ? record : most);
    const {width} = await page.id('timeline').boundingBox();
    const [left, top] = await page.point('#timeline canvas', 0, 0);
    const at = (longest.start_time_ns + longest.duration_ns / 2) / summary.wall_ns;
    await fingers([[left + 64 + at * (width - 64 - 54), top + 26 + 30 + 13]]);
    await page.until('tile-task', new RegExp(`^${longest.task_id}$`));
});

test('two fingers zoom into the image, and out of it', async () => {
    await page.follow(`${RUN}&region=-2,-1,3.2,2`);
    await page.finished();
    const at = (x, y) => page.point('#picture .over', x, y);
    const [near, far] = [[await at(0.4, 0.5), await at(0.6, 0.5)], [await at(0.3, 0.5), await at(0.7, 0.5)]];
    await fingers(near, [await at(0.35, 0.5), await at(0.65, 0.5)], far);
    await regionIs('another', (text) => text !== '-2,-1,3.2,2');
    [-1.2, -0.5, 1.6, 1].forEach(async (value, i) => assert.ok(Math.abs((await region())[i] - value) < 0.05));
    await idle();
    assert.equal(await page.tab.locator('#picture .pixels').evaluate((canvas) => canvas.style.transform), '');
    assert.deepEqual(await page.pixels(), await page.served(`${RUN}&region=${await region()}`));
    const before = (await region())[2];
    await fingers([await at(0.3, 0.5), await at(0.7, 0.5)], [await at(0.35, 0.5), await at(0.65, 0.5)],
        [await at(0.4, 0.5), await at(0.6, 0.5)]);
    await regionIs('larger', (text) => text.split(',')[2] > 1.5 * before);
    await idle();
    assert.equal(await page.tab.evaluate(() => visualViewport.scale), 1);
});

test('a finger that is drawn aside zooms into what it has drawn over', async () => {
    await page.follow(`${RUN}&region=-2,-1,3.2,2`);
    await page.finished();
    const at = (x, y) => page.point('#picture .over', x, y);
    await fingers([await at(0.25, 0.25)], [await at(0.35, 0.27)], [await at(0.5, 0.5)]);
    await regionIs('another', (text) => text !== '-2,-1,3.2,2');
    const now = await region();
    [-1.2, -0.5, 0.8, 0.5].forEach((value, i) => assert.ok(Math.abs(now[i] - value) < 0.03, String(now)));
    await idle();
});

test('fingers zoom and pan the timeline', async () => {
    await page.follow(RUN);
    await page.finished();
    const at = (x) => page.point('#timeline canvas', x, 0.6);
    const whole = await drawn();
    await fingers([await at(0.45), await at(0.55)], [await at(0.4), await at(0.6)], [await at(0.3), await at(0.7)]);
    const near = await drawn();
    assert.notEqual(near, whole);
    await fingers([await at(0.6)], [await at(0.5)], [await at(0.3)]);
    assert.notEqual(await drawn(), near);
    await page.id('time-fit').click();
    await page.tab.locator('#tile-none').waitFor({state: 'attached'});
});

// Whether the page has taken a turn of the wheel for itself, so that the browser does nothing with it.
async function turned(selector, {x = 0.5, ctrl, by = -100}) {
    await page.tab.mouse.move(...await page.point(selector, x, 0.5));
    const taken = await page.tab.evaluateHandle(() => {
        const event = new Promise((resolve) => {
            window.addEventListener('wheel', resolve, {once: true, passive: true});
        });
        return {event};
    });
    await (ctrl ? page.tab.keyboard.down('Control') : null);
    await page.tab.mouse.wheel(0, by);
    const was = await taken.evaluate(async ({event}) => (await event).defaultPrevented);
    await (ctrl ? page.tab.keyboard.up('Control') : null);
    return was;
}

test('the wheel zooms the image and the timelines with Ctrl, and is the browser\u2019s elsewhere', async () => {
    await page.follow(`${RUN}&region=-2,-1,3.2,2`);
    await page.finished();
    const whole = await drawn();
    assert.equal(await turned('#timeline canvas', {ctrl: true}), true);
    assert.notEqual(await drawn(), whole);
    for (const selector of ['#timeline canvas', '#picture .over']) {
        assert.equal(await turned(selector, {ctrl: false, by: -1}), false);
    }
    assert.equal(await turned('#status', {ctrl: true}), false);
    assert.deepEqual(await region(), [-2, -1, 3.2, 2]);
    assert.equal(await turned('#picture .over', {ctrl: true, x: 0.25, by: -200 * Math.LN2}), true);
    await regionIs('another', (text) => text !== '-2,-1,3.2,2');
    const now = await region();
    [-1.6, -0.5, 1.6, 1].forEach((value, i) => assert.ok(Math.abs(now[i] - value) < 0.03, String(now)));
    await idle();
    assert.equal(await page.tab.locator('#picture .pixels').evaluate((canvas) => canvas.style.transform), '');
    assert.deepEqual(await page.pixels(), await page.served(`${RUN}&region=${now}`));
    await page.id('compare-rounds-concurrent').fill('1');
    const panel = page.id('compare-concurrent');
    await panel.getByRole('button', {name: 'Compare', exact: true}).click();
    await panel.getByText('Done: 2 runs.').waitFor();
    assert.equal(await turned('#compare-concurrent .side-a .over', {ctrl: true}), false);
    assert.equal(await turned('#compare-concurrent .side-a .timeline canvas', {ctrl: true}), true);
});

test('the keyboard zooms the image, and pans and zooms the timeline', async () => {
    await page.follow(`${RUN}&region=-2,-1,3.2,2`);
    await page.finished();
    const over = page.tab.locator('#picture .over'), lanes = page.tab.locator('#timeline canvas');
    await over.press('+');
    await idle();
    assert.deepEqual(await region(), [-1.2, -0.5, 1.6, 1]);
    await over.press('-');
    await idle();
    assert.deepEqual(await region(), [-2, -1, 3.2, 2]);
    await over.press('Home');
    await page.until('tile-task', /^0$/);
    await over.press('Escape');
    await page.id('tile-none').waitFor();
    const whole = await drawn();
    await lanes.press('Home');
    await lanes.press('End');
    const last = await page.text('tile-task');
    await lanes.press('Home');
    assert.equal(await page.text('tile-task'), '0');
    assert.notEqual(last, '0');
    await lanes.press('End');
    await lanes.press('Enter');
    await lanes.press('+');
    await lanes.press('+'); // however long it took, there is something to its left
    const near = await drawn();
    assert.notEqual(near, whole);
    await lanes.press('Shift+ArrowLeft');
    assert.notEqual(await drawn(), near);
    await lanes.press('0');
});

test('nothing is wider than the smallest window', async () => {
    await page.tab.setViewportSize({width: 320, height: 640});
    for (const state of ['', '&compare=scaling', '&max_iter=70000']) {
        await page.follow(`${RUN}${state}`);
        await idle();
        await page.tab.evaluate(() => document.querySelectorAll('details').forEach((element) => element.setAttribute('open', '')));
        const {scroll, inner} = await page.tab.evaluate(() => ({scroll: document.documentElement.scrollWidth, inner: innerWidth}));
        assert.ok(scroll <= inner, `${state}: ${scroll} px in a window of ${inner}`);
    }
    page.said = page.said.filter((line) => !line.includes('status of 400'));
});

test('who wants no motion gets none but what is asked for', async () => {
    await page.follow(RUN);
    await page.finished();
    const transition = () => page.id('run').evaluate((button) => getComputedStyle(button).transitionDuration);
    await page.tab.emulateMedia({reducedMotion: 'no-preference'});
    assert.notEqual(await transition(), '0s');
    await page.tab.emulateMedia({reducedMotion: 'reduce'});
    assert.equal(await transition(), '0s');
    // What a thread is at has one colour then, and no level that rises.
    const data = JSON.parse((await page.download('save-json')).bytes);
    const longest = data.data.reduce((most, record) => record.duration_ns > most.duration_ns ? record : most);
    await page.slide('scrubber', 1000 * (longest.start_time_ns + longest.duration_ns / 2) / data.summary.wall_ns);
    const rows = await page.tab.evaluate(({tile_x: x, tile_y: y}) => new Promise((resolve) => {
        requestAnimationFrame(() => requestAnimationFrame(() => {
            const canvas = document.querySelector('#picture .over');
            const scale = canvas.width / 320;
            const pixel = (part) => canvas.getContext('2d').getImageData((x + 6) * scale, (y + 40 * part) * scale, 1, 1).data.join();
            resolve([pixel(0.15), pixel(0.85)]);
        }));
    }), longest);
    assert.equal(rows[0], rows[1]);
    assert.notEqual(rows[0], '0,0,0,0');
});
