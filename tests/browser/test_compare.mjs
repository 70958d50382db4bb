// The comparisons in Chromium, over real servers: what the page says is what the answers come to.
import assert from 'node:assert/strict';
import {after, afterEach, before, describe, it} from 'node:test';

import {Browser, metric, Page, Process} from './browser.mjs';
import * as figures from '../../client/web/compare-figures.js';
import {times} from '../../client/web/compare-words.js';
import {duration, percent} from '../../client/web/format.js';

const SMALL = {width: 96, height: 96, tile_w: 32, tile_h: 32, max_iter: 128, kernel: 'scalar', num_threads: 3};

let browser, bridge, opened, page; // page: opened's tab

before(async () => {
    [browser, bridge] = await Promise.all([Browser.start(), Process.start('tilery-bridge', '--listen', '127.0.0.1:0')]);
});

after(async () => {
    await browser?.close();
    assert.equal(await bridge?.close(), 0);
});

async function open(params = SMALL) {
    opened = await Page.open(browser, bridge.url, new URLSearchParams(params));
    page = opened.tab;
}

// The page's runs in the order in which they ended, as they came over the wire.
function listen() {
    const got = [];
    page.on('response', (response) => {
        const {pathname, searchParams} = new URL(response.url());
        if (/\/(concurrent|sequential)$/.test(pathname) && !searchParams.has('data') && response.ok()) {
            got.push(response.json().then(({data, params, summary}) =>
                ({params: {...Object.fromEntries(searchParams), ...params}, records: data, summary})));
        }
    });
    return () => Promise.all(got);
}

const panel = (kind) => page.locator(`#compare-${kind}`);

async function compare(kind, rounds) {
    const runs = listen();
    await page.click(`#compare-tab-${kind}`);
    await page.fill(`#compare-rounds-${kind}`, String(rounds));
    await panel(kind).getByRole('button', {name: 'Compare', exact: true}).click();
    await panel(kind).getByText(/^(Done|Stopped)/).waitFor({timeout: 120000});
    return runs();
}

// A table's rows, in which each cell is [text] or [median, range].
const rowsOf = (kind, name) => panel(kind).locator(`[aria-label="${name}"] tbody tr`).evaluateAll((lines) => lines.map((line) =>
    [...line.cells].map((cell) => [...cell.childNodes].map((node) => node.textContent))));

// They by their heads.
async function tableOf(kind, name) {
    return Object.fromEntries((await rowsOf(kind, name)).map(([head, ...cells]) => [head[0], cells]));
}

function shown(format, {median, least, most}) {
    return [format(median), `${format(least)} to ${format(most)}`];
}

function expected(base, side) {
    const ratio = figures.speedup(base.walls, side.walls);
    return {
        wall: shown(duration, side.wall), speedup: shown(times, ratio), idle: shown(percent, side.idle),
        efficiency: shown(percent, figures.efficiency(ratio, side.threads)),
        imbalance: shown((value) => value.toFixed(2), side.imbalance),
    };
}

// The sides that answers make, in the order of their first: which(params) is the same for those of a side.
function sides(runs, which) {
    const named = new Map();
    for (const run of runs) {
        const name = which(run.params);
        named.set(name, [...named.get(name) ?? [], run]);
    }
    return Object.fromEntries([...named].map(([name, own]) => [name, figures.sideFigures(own)]));
}

// Writes into the form, which runs nothing.
async function fill(params) {
    await page.evaluate((given) => {
        const {elements} = document.getElementById('form');
        for (const [name, value] of Object.entries(given)) {
            elements[name].value = value;
            elements[name].dispatchEvent(new Event('input', {bubbles: true}));
        }
    }, params);
}

// Returns when it is so. The deadline is for what would hang.
async function soon(so) {
    const deadline = performance.now() + 60000;
    while (!await so()) {
        assert.ok(performance.now() < deadline, String(so));
        await drawn();
    }
}

// Returns when what was asked for is drawn.
const drawn = () => page.evaluate(() => new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(resolve));
}));

const running = () => metric(bridge.url, 'tilery_server_runs_running');

// What Chromium says of an answer that the test asked for.
function forgive(status) {
    opened.said = opened.said.filter((line) => !line.includes(`status of ${status}`));
}

const headline = (kind) => panel(kind).locator('.compare-headline strong').allTextContents();
const lesson = (kind) => panel(kind).locator('.compare-lesson').textContent();

afterEach(async () => {
    const {said} = opened;
    await opened.close();
    assert.deepEqual(said, []);
});

describe('what the comparisons show', () => {
    it('is one thread against several', async () => {
        await open();
        const runs = await compare('concurrent', 3);
        assert.equal(runs.length, 6);
        const {sequential, concurrent} = sides(runs, ({mode}) => mode);
        const base = expected(sequential, sequential), want = expected(sequential, concurrent);
        assert.deepEqual(await tableOf('concurrent', 'The figures'), {
            'Wall time': [base.wall, want.wall],
            'Speedup over one thread': [base.speedup, want.speedup],
            'Efficiency': [base.efficiency, want.efficiency],
            'Imbalance': [base.imbalance, want.imbalance],
            'Threads idle': [base.idle, want.idle],
        });
        assert.deepEqual(await headline('concurrent'),
            [`${want.speedup[0]} \u00d7`, want.efficiency[0], want.imbalance[0], want.idle[0]]);
        assert.match(await lesson('concurrent'), /^3 threads took /);
        assert.equal(await panel('concurrent').locator('.timeline canvas').count(), 2);
        for (const {imbalance} of concurrent.each) {
            assert.ok(runs.some(({summary}) => Math.abs(summary.imbalance - imbalance) < 1e-6)); // the service's own
        }
    });

    it('is one schedule against another, and each against one thread', async () => {
        await open();
        await page.click('#compare-tab-schedules');
        await page.selectOption('#compare-left', 'cyclic');
        await page.selectOption('#compare-right', 'stealing');
        const runs = await compare('schedules', 2);
        const {sequential, cyclic, stealing} = sides(runs, ({mode, schedule}) =>
            (mode === 'sequential' ? mode : schedule));
        const [left, right] = [expected(sequential, cyclic), expected(sequential, stealing)];
        assert.deepEqual(await tableOf('schedules', 'The figures'), {
            'Wall time': [left.wall, right.wall],
            [`Speedup over one thread (${duration(sequential.wall.median)})`]: [left.speedup, right.speedup],
            'Efficiency': [left.efficiency, right.efficiency],
            'Imbalance': [left.imbalance, right.imbalance],
            'Threads idle': [left.idle, right.idle],
        });
        const both = (name) => `${left[name][0]} \u2192 ${right[name][0]}`;
        const ratio = figures.speedup(cyclic.walls, stealing.walls);
        assert.deepEqual(await headline('schedules'),
            [`${times(ratio.median)} \u00d7`, both('efficiency'), both('imbalance'), both('idle')]);
        const every = Object.entries({'one thread': sequential, cyclic, stealing});
        assert.deepEqual((await rowsOf('schedules', 'Every run')).map((cells) => cells.map(([text]) => text)),
            [0, 1].flatMap((round) => every.map(([name, {each}]) =>
                [name, String(round + 1), duration(each[round].wallNs), each[round].imbalance.toFixed(2)])));
        assert.equal(await panel('schedules').locator('.row circle').count(), 4);
    });

    it('is 1 to N threads, with Amdahl\u2019s curve', async () => {
        await open();
        await page.click('#compare-tab-scaling');
        await page.fill('#compare-most', '6');
        await page.fill('#compare-processors', '4');
        const runs = await compare('scaling', 2);
        const all = sides(runs, ({num_threads}) => num_threads);
        assert.deepEqual(Object.keys(all), ['1', '2', '4', '6']);
        const table = await tableOf('scaling', 'The figures');
        for (const [threads, side] of Object.entries(all)) {
            const {wall, speedup, efficiency, imbalance, idle} = expected(all[1], side);
            assert.deepEqual(table[threads], [wall, speedup, efficiency, imbalance, idle]);
        }
        const serial = figures.fitAmdahl([1, 2, 4].map((threads) =>
            ({threads, speedup: figures.speedup(all[1].walls, all[threads].walls).median})));
        assert.ok([percent(serial), '\u2013'].includes((await headline('scaling'))[2])); // there may be fewer than 4
        assert.match(await panel('scaling').locator('.compare-law').textContent(),
            new RegExp(`f\\s=\\s${serial.toFixed(4)}.* of up to 4 threads`));
        assert.equal(await panel('scaling').locator('.measured circle').count(), 9); // and one in the legend
        for (const kind of ['ideal', 'amdahl', 'line']) {
            assert.equal(await panel('scaling').locator(`figure .${kind}`).count(), 2);
        }
    });

    it('shows the run of any number of threads beside that of one', async () => {
        await open();
        await page.click('#compare-tab-scaling');
        await page.fill('#compare-most', '4');
        const runs = await compare('scaling', 1);
        await page.selectOption('#compare-shown', {label: '2 threads'});
        const two = runs.find(({params}) => params.num_threads === 2);
        assert.deepEqual(await panel('scaling').locator('.compare-timelines h3').allTextContents(), [
            `1 thread${duration(runs[0].summary.wall_ns)}, the run next to the median`,
            `2 threads${duration(two.summary.wall_ns)}, the run next to the median`]);
    });

    it('marks a tile in both timelines', async () => {
        await open();
        await compare('concurrent', 1);
        const [one, several] = await panel('concurrent').locator('.timeline canvas').all();
        const picture = () => several.evaluate((canvas) => canvas.toDataURL());
        await drawn();
        const before = await picture();
        await one.press('ArrowRight');
        await soon(async () => await picture() !== before);
        await one.blur();
        await soon(async () => await picture() === before);
    });
});

// How many pixels of a picture are painted, and their colours as a text.
const pictureOf = (kind, side) => panel(kind).locator('.race-pictures .pixels').nth(side).evaluate((canvas) => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return {painted: data.filter((value, i) => i % 4 === 3 && value === 255).length,
        text: Array.from(data, (byte) => String.fromCharCode(byte)).join('')};
});

const pixelsUntil = ({records}, ns) => records.filter((record) => record.start_time_ns + record.duration_ns <= ns)
    .reduce((sum, {tile_w: width, tile_h: height}) => sum + width * height, 0); // none is clipped

describe('the race', () => {
    it('shows both runs on one clock, and who is first', async () => {
        await open();
        const runs = await compare('concurrent', 1);
        const sorted = [runs.find(({params}) => params.mode === 'sequential'), runs.find(({params}) => params.mode !== 'sequential')];
        const walls = sorted.map(({summary}) => summary.wall_ns);
        const longest = Math.max(...walls);
        const race = panel('concurrent').locator('.compare-race');
        for (const part of [0, 0.3, 0.6, 1]) {
            await race.locator('.scrubber').evaluate((element, to) => {
                element.value = to;
                element.dispatchEvent(new Event('input', {bubbles: true}));
            }, 1000 * part);
            for (const side of [0, 1]) {
                const {painted} = await pictureOf('concurrent', side);
                assert.equal(painted, pixelsUntil(sorted[side], part * longest), `side ${side} at ${part}`);
            }
        }
        const states = await race.locator('.race-state').allTextContents();
        const first = walls[0] < walls[1] ? 0 : 1;
        assert.deepEqual(states, walls.map((wall, side) => `Whole after ${duration(wall)}${side === first ? ': the first' : ''}`));
        await race.getByText(/^Each ran alone; here both start together, on one clock: /).waitFor();
        await race.getByRole('button', {name: 'Race'}).click();
        await race.getByRole('button', {name: 'Pause'}).click();
        await race.getByRole('button', {name: 'End'}).click();
        assert.equal((await pictureOf('concurrent', 0)).painted, 96 * 96);
    });

    it('is in the threads\u2019 colours, shaded by the counts', async () => {
        await open();
        await compare('schedules', 1);
        const {data} = await opened.served(`${new URLSearchParams(SMALL)}&palette=thread`); // static is
        await soon(async () => Buffer.from((await pictureOf('schedules', 0)).text, 'latin1').equals(data));
    });

    it('marks a tile in both pictures and both timelines', async () => {
        await open();
        await compare('schedules', 1);
        const overs = await panel('schedules').locator('.race-pictures .over, .compare-timelines canvas').all();
        assert.equal(overs.length, 4);
        const pictures = () => Promise.all(overs.map((canvas) => canvas.evaluate((element) => element.toDataURL())));
        await drawn();
        const before = await pictures();
        await overs[0].press('ArrowRight');
        await soon(async () => (await pictures()).every((picture, i) => picture !== before[i]));
    });
});

describe('comparing', () => {
    it('waits for the page\u2019s own run to be over', async () => {
        await open({width: 4096, height: 4096, max_iter: 65535, time_limit_ms: 600000, kernel: 'scalar'});
        await soon(async () => await running() === 1);
        await page.click('#compare-concurrent button.primary');
        await panel('concurrent').getByText('Waiting for the run above to end').waitFor();
        assert.equal(await running(), 1);
        await page.click('#stop');
        await panel('concurrent').getByText('Run 1 of 10: one thread, round 1 of 5').waitFor();
        await panel('concurrent').getByRole('button', {name: 'Stop'}).click();
        await panel('concurrent').getByText('Stopped before the first round was complete.').waitFor();
    });

    it('is stopped, and cancels the run at work', async () => {
        await open();
        await soon(async () => await running() === 0); // the page's own
        await fill({width: 4096, height: 4096, max_iter: 65535, time_limit_ms: 600000});
        await page.click('#compare-concurrent button.primary');
        await soon(async () => await running() === 1);
        await panel('concurrent').getByText('Run 1 of 10: one thread, round 1 of 5').waitFor();
        await panel('concurrent').getByRole('button', {name: 'Stop'}).click();
        await panel('concurrent').getByText('Stopped before the first round was complete.').waitFor();
        await soon(async () => await running() === 0);
        assert.equal(await panel('concurrent').locator('.compare-result').count(), 0);
        assert.ok(await page.locator('#compare-concurrent button.primary').isEnabled());
    });

    it('keeps the rounds that were complete', async () => {
        await open();
        await page.fill('#compare-rounds-concurrent', '25');
        let asked = 0;
        await page.route(/\/api\/compute\/(concurrent|sequential)/, async (route) => {
            if (++asked === 4) {
                await panel('concurrent').getByRole('button', {name: 'Stop'}).click();
            }
            await route.continue().catch(() => {}); // it may be gone
        });
        await page.click('#compare-concurrent button.primary');
        await panel('concurrent').getByText('Stopped after 1 of 25 rounds.').waitFor();
        assert.deepEqual((await rowsOf('concurrent', 'Every run')).map(([, [round]]) => round), ['1', '1']);
        await fill({width: 0});
        await page.click('#compare-concurrent button.primary'); // fails
        await panel('concurrent').getByRole('alert').getByText('What is shown below was compared before.').waitFor();
        assert.equal(await panel('concurrent').locator('.compare-result').count(), 1);
        forgive(400);
    });

    it('shows an error as the service gave it', async () => {
        await open();
        await fill({width: 0});
        await page.click('#compare-concurrent button.primary');
        const text = 'width is "0"; it must be a whole number from 1 to 65536.';
        await panel('concurrent').getByRole('alert').getByText(text, {exact: true}).waitFor();
        forgive(400);
    });

    for (const [status, said] of [[429, 'The server is busy.'], [503, 'it is away.']]) {
        it(`waits for a server that says ${status}, as long as it says`, async () => {
            await open();
            let asked = 0;
            await page.route(/\/api\/compute\/sequential/, (route) => (++asked > 1 ? route.continue() : route.fulfill({
                status, headers: {'Retry-After': '1'}, json: {success: false, error: 'it is away'},
            })));
            const runs = listen();
            await page.fill('#compare-rounds-concurrent', '1');
            await page.click('#compare-concurrent button.primary');
            await panel('concurrent').getByText(`${said} Asking again in 1 s`).waitFor();
            await panel('concurrent').getByText('Done: 2 runs.').waitFor();
            assert.equal((await runs()).length, 2);
            assert.equal(asked, 2);
            forgive(status);
        });
    }

    it('says which runs the time limit ended, and raises it', async () => {
        await open();
        await fill({time_limit_ms: 0});
        await compare('concurrent', 1);
        assert.equal(await lesson('concurrent'),
            'The time limit ended one thread after 0 of 9 tiles, so the times do not compare.');
        assert.equal(await panel('concurrent').locator('.compare-headline').count(), 0);
        const race = panel('concurrent').locator('.compare-race > p');
        assert.match(await race.textContent(), /how far each had come/); // neither is whole, nor first
        await panel('concurrent').getByRole('button', {name: /^Raise the time limit/}).click();
        await panel('concurrent').locator('.compare-headline').waitFor();
        assert.match(await race.textContent(), /first comes/);
        assert.match(page.url(), /time_limit_ms=60000/);
    });

    it('offers the kernel that shows imbalance best', async () => {
        await open({...SMALL, kernel: 'auto'});
        await page.getByRole('button', {name: 'Use the scalar kernel'}).click();
        assert.equal(await page.inputValue('#form [name=kernel]'), 'scalar');
        await page.getByText(/As chosen in the form: 96 \u00d7 96 .*kernel scalar/).waitFor();
        const runs = await compare('concurrent', 1);
        assert.deepEqual(runs.map(({summary}) => summary.kernel), ['scalar', 'scalar']);
        await page.getByRole('button', {name: 'Use the fastest kernel'}).click();
        assert.equal(await page.inputValue('#form [name=kernel]'), 'auto');
    });
});

describe('everybody', () => {
    it('chooses by keyboard', async () => {
        await open();
        await page.focus('#compare-tab-concurrent');
        await page.keyboard.press('ArrowRight');
        assert.ok(await panel('schedules').isVisible() && !await panel('concurrent').isVisible());
        await page.keyboard.press('End');
        assert.ok(await panel('scaling').isVisible());
        await page.keyboard.press('ArrowRight');
        assert.ok(await panel('concurrent').isVisible());
        assert.equal(await page.evaluate(() => document.activeElement.id), 'compare-tab-concurrent');
        await page.focus('#compare-rounds-concurrent');
        await page.keyboard.press('Enter');
        await panel('concurrent').getByText('Done: 10 runs.').waitFor();
    });
});
