// The figures, the fit and the sentences of the comparisons, against values worked out by hand.
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';

import * as figures from '../../client/web/compare-figures.js';
import * as words from '../../client/web/compare-words.js';
import {lessonOf} from '../../client/web/figures.js';
import {runInTurns} from '../../client/web/compare-runs.js';

// A run whose threads compute one after another's tiles: tiles is [[thread, start, duration], ...].
function run(wall, tiles, {schedule = 'static', threads, limited = false, planned = tiles.length,
    at = () => [0, 0], region = '', kernel = 'scalar'} = {}) {
    const count = threads ?? Math.max(...tiles.map(([thread]) => thread)) + 1;
    const records = tiles.map(([thread_id, start_time_ns, duration_ns], task_id) => {
        const [tile_x, tile_y] = at(thread_id, task_id);
        return {task_id, thread_id, tile_x, tile_y, tile_w: 64, tile_h: 64, start_time_ns, duration_ns};
    });
    const of = (thread) => tiles.filter(([id]) => id === thread);
    const busy = Array.from({length: count}, (_, thread) => of(thread).reduce((sum, tile) => sum + tile[2], 0));
    return {
        records,
        params: {width: 800, height: 600, num_threads: count, mode: 'concurrent', region},
        summary: {
            wall_ns: wall, tiles_planned: planned, tiles_done: tiles.length, time_limited: limited, schedule, kernel,
            imbalance: Math.max(...busy) / (busy.reduce((sum, ns) => sum + ns, 0) / count),
            threads: Array.from({length: count}, (_, thread_id) => ({
                thread_id, tiles: of(thread_id).length, busy_ns: busy[thread_id],
            })),
        },
    };
}

const side = (name, runs) => ({name, ...figures.sideFigures(runs)});

describe('the lesson of a run', () => {
    const lesson = (schedule, processors) => lessonOf({planned: 3, changes: [], ...run(100, [[0, 0, 90], [1, 0, 10], [2, 0, 10]],
        {schedule})}, processors);

    it('tells of turns where there are more threads than processors, and of shares where these are fixed', () => {
        assert.match(lesson('dynamic', 2), /^3 threads took turns on 2 processors: /);
        assert.match(lesson('static', 2), /^Thread 0 worked 2\.45 times as long/);
        for (const processors of [3, null]) {
            assert.match(lesson('dynamic', processors), /^Thread 0 worked 2\.45 times as long .*smaller tiles would share/);
        }
    });

    it('tells of turns also where they are even', () => {
        const even = {planned: 3, changes: [], ...run(100, [[0, 0, 90], [1, 0, 90], [2, 0, 90]], {schedule: 'dynamic'})};
        assert.match(lessonOf(even, 2), /^3 threads took turns on 2 processors: /);
        assert.match(lessonOf(even, 3), /^All threads worked for about as long/);
    });

    it('tells of threads that waited for the page, but not of a run that is over before they are awake', () => {
        const waited = (ms, busyMs) => lessonOf({planned: 2, changes: [],
            ...run(ms * 1e6, [[0, 0, busyMs * 1e6], [1, 0, busyMs * 1e6]], {limited: true})});
        assert.match(waited(800, 80), /^The threads waited for this page/);
        for (const [ms, busyMs] of [[800, 401], [49, 1]]) {
            assert.match(waited(ms, busyMs), /^The limit is looked at/);
        }
    });
});

describe('statistics', () => {
    it('takes the middle one, or the mean of the two in the middle', () => {
        assert.equal(figures.median([5]), 5);
        assert.equal(figures.median([30, 9, 100]), 30);
        assert.equal(figures.median([4, 1, 3, 2]), 2.5);
        assert.ok(Number.isNaN(figures.median([])));
    });

    it('leaves the values as they are', () => {
        const values = [3, 1, 2];
        assert.deepEqual(figures.spread(values), {median: 2, least: 1, most: 3});
        assert.deepEqual(values, [3, 1, 2]);
    });

    it('forms speedups of medians, with the range of the rounds', () => {
        assert.deepEqual(figures.speedup([100, 200, 600], [100, 50, 150]), {median: 2, least: 1, most: 4});
        assert.deepEqual(figures.efficiency({median: 3, least: 2, most: 4}, 4), {median: 0.75, least: 0.5, most: 1});
    });

    it('takes the run next to the median for all of them', () => {
        const runs = [run(50, [[0, 0, 50]]), run(10, [[0, 0, 10]]), run(31, [[0, 0, 31]]), run(33, [[0, 0, 33]])];
        assert.equal(figures.typical(runs), runs[2]);
    });
});

describe('a run', () => {
    it('has the busiest thread over the mean, and what nobody used', () => {
        const one = figures.runFigures(run(100, [[0, 0, 90], [1, 0, 20], [1, 20, 10]], {threads: 3}));
        assert.equal(one.busyNs, 120);
        assert.equal(one.imbalance, 90 / 40);
        assert.equal(one.idle, 1 - 120 / 300);
        assert.equal(one.busiest.id, 0);
        assert.equal(one.working, 2);
        assert.deepEqual(one.threads.map(({endNs}) => endNs), [90, 30, 0]);
        assert.equal(figures.othersIdle(one), 1 - 30 / 200);
    });

    it('of one thread is balanced, and of no tile has no imbalance', () => {
        assert.equal(figures.runFigures(run(100, [[0, 0, 90]])).imbalance, 1);
        assert.equal(figures.othersIdle(figures.runFigures(run(100, [[0, 0, 90]]))), 0);
        const none = figures.runFigures(run(5, [], {threads: 2, limited: true, planned: 9}));
        assert.deepEqual([none.imbalance, none.limited, none.done, none.tiles], [0, true, 0, 9]);
    });
});

describe('Amdahl', () => {
    const points = (serial) => [1, 2, 4, 8, 16].map((threads) => ({threads, speedup: figures.amdahl(serial, threads)}));

    it('follows the law', () => {
        assert.equal(figures.amdahl(0, 8), 8);
        assert.equal(figures.amdahl(1, 8), 1);
        assert.equal(figures.amdahl(0.5, 2), 4 / 3);
        assert.ok(Math.abs(figures.amdahl(0.05, 1e9) - 20) < 1e-5);
    });

    it('finds the fraction that the points were made with', () => {
        for (const serial of [0, 0.01, 0.1, 0.37, 1]) {
            assert.ok(Math.abs(figures.fitAmdahl(points(serial)) - serial) < 1e-12, String(serial));
        }
    });

    it('has the least squares of relative times', () => {
        const noise = [1, 0.95, 1.04, 0.9, 1.07];
        const noisy = points(0.1).map(({threads, speedup}, i) => ({threads, speedup: speedup * noise[i]}));
        const squares = (serial) => noisy.reduce((sum, {threads, speedup}) =>
            sum + (1 / speedup - 1 / figures.amdahl(serial, threads)) ** 2, 0);
        const fit = figures.fitAmdahl(noisy);
        assert.ok(fit > 0.05 && fit < 0.2);
        for (const step of [-1e-4, 1e-4]) {
            assert.ok(squares(fit + step) > squares(fit));
        }
    });

    it('stays between 0 and 1, and has nothing to say of one thread', () => {
        assert.equal(figures.fitAmdahl([{threads: 1, speedup: 1}, {threads: 4, speedup: 4.4}]), 0);
        assert.equal(figures.fitAmdahl([{threads: 4, speedup: 0.3}]), 1);
        assert.equal(figures.fitAmdahl([{threads: 1, speedup: 1}]), null);
        assert.equal(figures.fitAmdahl([]), null);
    });
});

describe('thread counts', () => {
    it('double up to the most, or take each', () => {
        assert.deepEqual(figures.threadCounts(8), [1, 2, 4, 8]);
        assert.deepEqual(figures.threadCounts(1), [1]);
        assert.deepEqual(figures.threadCounts(12, {also: [6, 0, 64]}), [1, 2, 4, 6, 8, 12]);
        assert.deepEqual(figures.threadCounts(5, {every: true}), [1, 2, 3, 4, 5]);
    });

    it('show where the processors end, and only there', () => {
        const of = (speedups) => figures.plateau(speedups.map((speedup, i) => ({threads: 2 ** i, speedup})));
        assert.equal(of([1, 1.98, 2.01, 1.97]), 2);
        assert.equal(of([1, 1.9, 3.8, 3.7]), 4);
        assert.equal(of([1, 1.02, 0.99]), 1);
        assert.equal(of([1, 1.9, 3.7, 7]), null);
        assert.equal(of([1, 1.33, 1.6, 1.78, 1.88]), null);
    });
});

describe('sentences', () => {
    const even = (wall, threads, schedule = 'dynamic') =>
        run(wall, Array.from({length: threads}, (_, thread) => [thread, 0, wall * 0.98]), {schedule});
    const inside = (thread) => (thread === 1 ? [300, 272] : [0, 0]);

    it('tell who waited, why, and what to try', () => {
        const uneven = run(100e6, [[0, 0, 20e6], [1, 0, 99e6], [2, 0, 30e6]], {at: inside});
        assert.equal(words.waited(uneven),
            'Thread 1 worked until the end while the others waited 75\u00a0% of the time: its tiles hold more of the interior.');
        const base = side('sequential', [run(150e6, [[0, 0, 149e6]])]);
        const other = side('concurrent', [uneven]);
        const ratio = figures.speedup(base.walls, other.walls);
        const said = words.sayConcurrent({base, other, ratio, efficiency: figures.efficiency(ratio, 3)});
        assert.equal(said[0], '3 threads took 100\u00a0ms, one took 150\u00a0ms: 1.50 times as fast, an efficiency of 50\u00a0%.');
        assert.match(said[1], /hold more of the interior\. Try cyclic or dynamic\.$/);
    });

    it('do not blame the interior where it is none or costs little, nor anybody where all shared alike', () => {
        for (const other of [{region: [10, 10, 1, 1]}, {kernel: 'avx2'}]) {
            assert.equal(words.waited(run(100, [[0, 0, 20], [1, 0, 80]], {at: inside, ...other})),
                'Thread 1 had the most to do while the other waited 80\u00a0% of the time.');
        }
        assert.equal(words.waited(even(100, 4)), null);
        assert.equal(words.waited(even(100, 1)), null);
    });

    it('blame the interior wherever a thread has more of it', () => {
        // The default image under the static schedule: 13 x 10 tiles in four runs, of which the two in the middle have most.
        const tiles = Array.from({length: 130}, (_, task) => [Math.floor(task / 33), 0, 1]);
        const at = (_, task) => [task % 13 * 64, Math.floor(task / 13) * 64];
        const rows = run(100, tiles, {at});
        assert.deepEqual([0, 1, 2, 3].map((thread) => words.holdsInterior(rows, thread)), [false, true, true, false]);
        const dealt = run(100, tiles.map((_, task) => [task % 4, 0, 1]), {at});
        assert.ok([0, 1, 2, 3].every((thread) => !words.holdsInterior(dealt, thread)));
    });

    it('do not blame a thread where all waited to be woken', () => {
        const late = run(100e3, [[0, 90e3, 10e3], [1, 50e3, 30e3]]);
        assert.equal(words.waited(late), null);
        const base = side('sequential', [even(60e3, 1)]), other = side('concurrent', [late]);
        const ratio = figures.speedup(base.walls, other.walls);
        const said = words.sayConcurrent({base, other, ratio, efficiency: figures.efficiency(ratio, 2)});
        assert.match(said[0], /longer than one alone/);
        assert.match(said[1], /so short that waking the threads weighs as much/);
    });

    it('know threads that took turns from threads that waited', () => {
        const base = side('sequential', [even(100e6, 1)]);
        const say = (other) => {
            const ratio = figures.speedup(base.walls, other.walls);
            return words.sayConcurrent({base, other, ratio, efficiency: figures.efficiency(ratio, 4)})[1];
        };
        assert.match(say(side('concurrent', [even(50e6, 4)])),
            /busy for 2\.00 times as long as one alone.*fewer processors/);
        assert.match(say(side('concurrent', [even(25e6, 4)])), /hardly anything is lost/);
    });

    it('call a schedule the winner only where it won each round', () => {
        const walls = (list) => list.map((wall) => even(wall, 4));
        const say = (left, right) => {
            const base = side('static', walls(left)), other = side('dynamic', walls(right));
            return words.saySchedules({base, other, ratio: figures.speedup(base.walls, other.walls)})[0];
        };
        assert.equal(say([20e6, 20e6], [10e6, 10e6]),
            'Dynamic took 10.0\u00a0ms, static 20.0\u00a0ms: 2.00 times as fast, in each of 2 rounds.');
        assert.equal(say([10e6, 10e6], [20e6, 20e6]),
            'Static took 10.0\u00a0ms, dynamic 20.0\u00a0ms: 2.00 times as fast, in each of 2 rounds.');
        assert.match(say([10e6, 10e6], [20e6, 5e6]),
            /^No clear winner: in 2 rounds dynamic was from 0\.50 to 2\.00 times/);
    });

    it('compare no run that was cut short', () => {
        const whole = side('sequential', [even(10, 1)]);
        const cut = side('static', [even(10, 2), run(10, [[0, 0, 5]], {limited: true, planned: 1300})]);
        assert.equal(words.cutShort([whole]), null);
        assert.equal(words.cutShort([whole, cut]),
            'The time limit ended static after 1 of 1,300 tiles, so the times do not compare.');
    });

    it('tell processors from serial work', () => {
        const points = (speedups) => speedups.map((speedup, i) => {
            const ratio = {median: speedup, least: speedup, most: speedup};
            return {...side('', [even(100 / speedup, 2 ** i)]), ratio, gain: figures.efficiency(ratio, 2 ** i)};
        });
        const say = (speedups, serial, processors) =>
            words.sayScaling({points: points(speedups), serial, processors})[1];
        assert.match(say([1, 1.98, 2, 2], 0.01, 2), /stops growing at 2 threads.*2 processors/);
        assert.match(say([1, 1.8, 3.4], 0.1, 4), /10\u00a0% as serial.*10\.0 times as fast/);
        assert.match(say([1, 2, 4], 0, 4), /next to nothing serial/);
    });

    it('draw no conclusions from threads that shared their processors with other work', () => {
        const points = (walls) => walls.map((wall, i) => {
            const ratio = {median: 100 / wall, least: 100 / wall, most: 100 / wall};
            return {...side('', [even(wall, 2 ** i)]), ratio, gain: figures.efficiency(ratio, 2 ** i)};
        });
        const say = (walls, processors) => words.sayScaling({points: points(walls), serial: 0.3, processors})[1];
        assert.match(say([100, 75, 60], 4), /on 4 processors, 2 threads were busy for 1\.50 times as long/);
        assert.match(say([100, 55, 60], 4), /on 4 processors, 4 threads were busy for 2\.40 times as long/);
        assert.match(say([100, 50, 25], 2), /on 2 processors, no more than 2 times as fast is possible/);
        assert.match(say([100, 55, 60], 2), /stops growing at 2 threads/); // four take turns on two
    });
});

describe('runs', () => {
    const works = [{name: 'a', params: 'a'}, {name: 'b', params: 'b'}];
    const never = new AbortController().signal;

    it('take turns, and begin each round with another one', async () => {
        const asked = [];
        const compute = async (params) => {asked.push(params); return params + asked.length;};
        const said = [];
        const onProgress = ({done}) => said.push(done);
        const {runs, stopped} = await runInTurns(works, {compute, rounds: 3, signal: never, onProgress});
        assert.equal(asked.join(''), 'abbaab');
        assert.deepEqual(runs, [['a1', 'a4', 'a5'], ['b2', 'b3', 'b6']]);
        assert.equal(stopped, false);
        assert.deepEqual(said, [0, 1, 2, 3, 4, 5]);
    });

    it('keep what was complete when they are stopped', async () => {
        const controller = new AbortController();
        let calls = 0;
        const compute = async (params, {signal}) => {
            if (++calls === 4) {
                controller.abort();
            }
            signal.throwIfAborted();
            return params;
        };
        const {signal} = controller;
        const {runs, stopped} = await runInTurns(works, {compute, rounds: 5, signal, onProgress() {}});
        assert.deepEqual(runs, [['a'], ['b']]);
        assert.equal(stopped, true);
    });

    it('wait while the server is busy, as long as it says', async () => {
        const waits = [];
        let calls = 0;
        const compute = async () => {
            if (++calls <= 2) {
                throw Object.assign(new Error('busy'), {status: 429, retryAfter: 0.01});
            }
            return 'done';
        };
        const onProgress = ({wait}) => waits.push(wait);
        const {runs} = await runInTurns([works[0]], {compute, rounds: 1, signal: never, onProgress});
        assert.deepEqual(runs, [['done']]);
        assert.deepEqual(waits, [0, 0.1, 0.1]);
    });

    it('are stopped while they wait, and throw what else fails', async () => {
        const controller = new AbortController();
        const busy = async () => {throw Object.assign(new Error('busy'), {status: 429, retryAfter: 3600});};
        const onProgress = ({wait}) => wait > 0 && controller.abort();
        const {signal} = controller;
        assert.equal((await runInTurns(works, {compute: busy, rounds: 1, signal, onProgress})).stopped, true);
        const bad = async () => {throw Object.assign(new Error('width is 0'), {status: 400});};
        const rejected = runInTurns(works, {compute: bad, rounds: 1, signal: never, onProgress() {}});
        await assert.rejects(rejected, /width is 0/);
    });
});
