// What compared runs come to. Times are in ns; a run is {records, summary}, as api.compute gives it.

// The middle one, or the mean of the two in the middle; NaN of none.
export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// What the whiskers show: the least and the most, with the median between.
export function spread(values) {
    return {median: median(values), least: Math.min(...values), most: Math.max(...values)};
}

// How many times as fast the other one was: the ratio of the medians, as a reader forms it, and the least and the most
// of the single rounds' ratios, where what else the machine does met both. The first lies always between these.
export function speedup(base, other) {
    const ratios = other.map((wall, round) => base[round] / wall);
    return {...spread(ratios), median: median(base) / median(other)};
}

export function efficiency(ratio, threads) {
    return {median: ratio.median / threads, least: ratio.least / threads, most: ratio.most / threads};
}

// A thread's own: when its last tile ended, and for how long it computed.
function threadsOf({records, summary}) {
    const threads = summary.threads.map(({thread_id, busy_ns, tiles}) =>
        ({id: thread_id, busyNs: busy_ns, tiles, endNs: 0}));
    const byId = new Map(threads.map((thread) => [thread.id, thread]));
    for (const record of records) {
        const thread = byId.get(record.thread_id);
        thread.endNs = Math.max(thread.endNs, record.start_time_ns + record.duration_ns);
    }
    return threads;
}

// imbalance is the busiest thread's time over the mean of all, 1 where they share alike and 0 where no tile was done.
// idle is how much of the threads' time, from the run's start to its end, nobody computed.
export function runFigures(run) {
    const threads = threadsOf(run);
    const busyNs = threads.reduce((sum, thread) => sum + thread.busyNs, 0);
    const busiest = threads.reduce((most, thread) => (thread.busyNs > most.busyNs ? thread : most), threads[0]);
    const wallNs = run.summary.wall_ns;
    return {
        wallNs, busyNs, threads, busiest,
        imbalance: busyNs > 0 ? busiest.busyNs * threads.length / busyNs : 0,
        idle: Math.max(0, 1 - busyNs / (wallNs * threads.length)),
        working: threads.filter((thread) => thread.tiles > 0).length,
        tiles: run.summary.tiles_planned,
        done: run.summary.tiles_done,
        limited: run.summary.time_limited,
    };
}

// How much of the run the threads beside the busiest did not compute.
export function othersIdle({threads, busiest, wallNs}) {
    const others = threads.filter((thread) => thread !== busiest);
    if (others.length === 0) {
        return 0;
    }
    return Math.max(0, 1 - others.reduce((sum, thread) => sum + thread.busyNs, 0) / (wallNs * others.length));
}

// Of some runs, the one that stands for all: whose wall time is nearest to the median.
export function typical(runs) {
    const middle = median(runs.map((run) => run.summary.wall_ns));
    const distance = (run) => Math.abs(run.summary.wall_ns - middle);
    return runs.reduce((best, run) => (distance(run) < distance(best) ? run : best));
}

// The figures of one side, over all its runs. threads is what was asked for: a schedule may use fewer.
export function sideFigures(runs) {
    const each = runs.map(runFigures);
    const {mode, num_threads} = runs[0].params;
    return {
        runs, each,
        threads: mode === 'sequential' ? 1 : num_threads,
        walls: each.map((figures) => figures.wallNs),
        wall: spread(each.map((figures) => figures.wallNs)),
        imbalance: spread(each.map((figures) => figures.imbalance)),
        idle: spread(each.map((figures) => figures.idle)),
        limited: each.find((figures) => figures.limited) ?? null,
        typical: typical(runs),
    };
}

// Amdahl's law: work of which the fraction f is serial is S(n) = 1 / (f + (1 - f) / n) times as fast on n processors.
// G. M. Amdahl, Validity of the single processor approach to achieving large scale computing capabilities, AFIPS
// Spring Joint Computer Conference, 1967, pages 483 to 485. The formula is the usual form of his argument.
export function amdahl(serial, threads) {
    return 1 / (serial + (1 - serial) / threads);
}

// The serial fraction by least squares over the relative times, in which the law is linear in f:
// 1 / S = 1/n + f (1 - 1/n), so f = sum(x y) / sum(x x) with x = 1 - 1/n and y = 1/S - 1/n. It is held within 0 and 1;
// null without a point of several threads. points: [{threads, speedup}].
export function fitAmdahl(points) {
    let xy = 0, xx = 0;
    for (const {threads, speedup: ratio} of points) {
        const x = 1 - 1 / threads;
        xy += x * (1 / ratio - 1 / threads);
        xx += x * x;
    }
    return xx > 0 ? Math.min(1, Math.max(0, xy / xx)) : null;
}

// 1 and its doublings up to most, or every number; with those of also that are no more than most, and most itself.
export function threadCounts(most, {every = false, also = []} = {}) {
    const counts = new Set([1, most, ...also.filter((count) => count >= 1 && count <= most)]);
    for (let count = 1; count <= most; count = every ? count + 1 : count * 2) {
        counts.add(count);
    }
    return [...counts].sort((a, b) => a - b);
}

// How many processors the speedups look like, or null where they go on growing: points in order of their threads.
export function plateau(points) {
    const best = Math.max(...points.map((point) => point.speedup));
    const reached = points.find((point) => point.speedup >= 0.9 * best);
    const beyond = points.filter((point) => point.threads >= 2 * reached.threads);
    return beyond.length > 0 && reached.speedup >= 0.75 * reached.threads ? reached.threads : null;
}
