// What there is to see, said in a sentence or two, from the figures alone.
import {othersIdle, plateau, runFigures} from './compare-figures.js';
import {duration, number, percent, plural} from './format.js';
import {regionOf} from './region.js';

const ALIKE = 1.1;        // an imbalance below it is not worth a sentence
const MOSTLY = 0.85;      // an efficiency above it loses little
const WORTH = 0.5;        // of a run's time, in which its busiest thread computes
const LONGER = 1.2;       // times as long as one thread: several did not have a processor each all the time
const STEPS = 200;        // of a sampled point: enough to tell the interior from its surroundings
const SAMPLES = 1024;     // tiles that are looked at
const HOLDS = 0.2;        // of a thread's tiles, to be told as interior
const MORE = 1.3;         // times as large a share as that of the other threads' tiles

// How many times as fast.
export function times(ratio) {
    return ratio.toFixed(ratio < 10 ? 2 : 1);
}

// Whether the point in the middle of a tile never escapes, as far as can be told soon.
function isInterior(record, params) {
    const {width, height} = params;
    const [reMin, imMin, reSpan, imSpan] = regionOf(params);
    const middle = (at, size, whole) => (at + Math.min(size, whole - at) / 2) / whole;
    const cRe = reMin + middle(record.tile_x, record.tile_w, width) * reSpan;
    const cIm = imMin + middle(record.tile_y, record.tile_h, height) * imSpan;
    let re = 0, im = 0;
    for (let step = 0; step < STEPS; step++) {
        if (re * re + im * im > 4) {
            return false;
        }
        [re, im] = [re * re - im * im + cRe, 2 * re * im + cIm];
    }
    return true;
}

// Of the tiles of this thread, and of all others', the share that lies within the set.
export function interiorShares({records, params}, threadId) {
    const own = {tiles: 0, interior: 0}, others = {tiles: 0, interior: 0};
    const stride = Math.ceil(records.length / SAMPLES);
    for (let i = 0; i < records.length; i += stride) {
        const side = records[i].thread_id === threadId ? own : others;
        side.tiles++;
        side.interior += isInterior(records[i], params);
    }
    const share = ({tiles, interior}) => (tiles > 0 ? interior / tiles : 0);
    return {own: share(own), others: share(others)};
}

// Whether it is the interior that gave a thread more to do than others: of the kernel that does every step of it.
export function holdsInterior(run, threadId) {
    const {own, others} = interiorShares(run, threadId);
    return run.summary.kernel === 'scalar' && own >= HOLDS && own > MORE * others;
}

// What helps whoever deals out tiles beforehand; the others are helped by smaller tiles alone.
const ADVICE = {static: 'Try cyclic or dynamic.', cyclic: 'Try dynamic or stealing.'};
const SMALLER = 'Smaller tiles would share out more finely.';

// Why a thread had more to do than others, as far as the tiles tell.
function cause(run, thread) {
    if (holdsInterior(run, thread.id)) {
        return ': its tiles hold more of the interior';
    }
    const all = run.summary.threads.reduce((sum, {tiles}) => sum + tiles, 0);
    return thread.tiles > 1.5 * all / run.summary.threads.length
        ? `: it took ${plural(thread.tiles, 'tile')} of ${all}` : '';
}

// Who waited for whom in a run; null where the threads shared alike, or all waited to be woken.
export function waited(run) {
    const figures = runFigures(run);
    const {busiest, imbalance, wallNs, threads} = figures;
    if (threads.length < 2 || imbalance < ALIKE || busiest.busyNs < WORTH * wallNs) {
        return null;
    }
    const idle = percent(othersIdle(figures));
    const toTheEnd = busiest.endNs >= 0.95 * wallNs ? 'worked until the end' : 'had the most to do';
    const others = threads.length === 2 ? 'the other' : 'the others';
    return `Thread ${busiest.id} ${toTheEnd} while ${others} waited ${idle} of the time`
        + `${cause(run, busiest)}.`;
}

function waitedAndAdvised(run) {
    const sentence = waited(run);
    return sentence === null ? null : `${sentence} ${ADVICE[run.summary.schedule] ?? SMALLER}`;
}

// For how many times as long the threads of one side were busy as those of another.
function timesAsBusy(base, other) {
    const busyNs = ({each}) => each.reduce((sum, figures) => sum + figures.busyNs, 0);
    return busyNs(other) / busyNs(base);
}

// What the threads' time went into, where they did not wait for each other.
function lost(base, other, efficiency) {
    const longer = timesAsBusy(base, other);
    if (other.each.some(({busiest, wallNs}) => busiest.busyNs < WORTH * wallNs)) {
        return 'The work is so short that waking the threads weighs as much: more iterations or a larger image '
            + 'give them more to share.';
    }
    if (longer > LONGER) {
        return 'No thread waited long for another, but together they were busy for '
            + `${times(longer)} times as long as one alone: they took turns on fewer processors, or with other work there.`;
    }
    if (efficiency >= MOSTLY) {
        return 'The threads ended almost together: hardly anything is lost.';
    }
    return `The threads were idle for ${percent(other.idle.median)} of the time.`;
}

// What makes wall times worth nothing: runs that did not do all their work.
export function cutShort(sides) {
    const side = sides.find(({limited}) => limited !== null);
    return side === undefined ? null
        : `The time limit ended ${side.name} after ${number(side.limited.done)} of `
            + `${plural(side.limited.tiles, 'tile')}, so the times do not compare.`;
}

function idleThreads(side) {
    const {working} = side.each[0];
    if (working >= side.threads || side.typical.summary.schedule !== 'static') {
        return '';
    }
    return ` Only ${working} of ${plural(side.threads, 'thread')} got tiles: static deals out equal runs, rounded up.`;
}

// One thread against several. base and other are sides; ratio and efficiency are spreads.
export function sayConcurrent({base, other, ratio, efficiency}) {
    const {threads} = other;
    const verdict = ratio.median >= 1
        ? `${plural(threads, 'thread')} took ${duration(other.wall.median)}, one took ${duration(base.wall.median)}: `
            + `${times(ratio.median)} times as fast, an efficiency of ${percent(efficiency.median)}.`
        : `${plural(threads, 'thread')} took ${duration(other.wall.median)}, longer than one alone `
            + `(${duration(base.wall.median)}).`;
    return [verdict + idleThreads(other),
        waitedAndAdvised(other.typical) ?? lost(base, other, efficiency.median)];
}

const lowered = (sentence) => sentence[0].toLowerCase() + sentence.slice(1);
const raised = (sentence) => sentence[0].toUpperCase() + sentence.slice(1);

// One schedule against another, of the same number of threads.
export function saySchedules({base, other, ratio}) {
    const [fast, slow] = ratio.median >= 1 ? [other, base] : [base, other];
    const by = ratio.median >= 1 ? ratio.median : 1 / ratio.median;
    const rounds = plural(base.runs.length, 'round');
    const verdict = ratio.least <= 1 && ratio.most >= 1
        ? `No clear winner: in ${rounds} ${other.name} was from ${times(ratio.least)} to ${times(ratio.most)} times as `
            + `fast as ${base.name}.`
        : `${raised(fast.name)} took ${duration(fast.wall.median)}, ${slow.name} ${duration(slow.wall.median)}: `
            + `${times(by)} times as fast, in each of ${rounds}.`;
    const [even, uneven] = base.imbalance.median <= other.imbalance.median ? [base, other] : [other, base];
    const shared = waited(uneven.typical);
    return [verdict, shared === null
        ? 'Under both, the threads were busy for about as long as each other.'
        : `With ${uneven.name}, ${lowered(shared)} With ${even.name} the imbalance is `
            + `${even.imbalance.median.toFixed(2)} instead of ${uneven.imbalance.median.toFixed(2)}.`];
}

function limitOf(serial) {
    return serial < 0.005
        ? 'Amdahl\u2019s fit finds next to nothing serial: each thread brings its full share.'
        : `Amdahl\u2019s fit takes ${percent(serial)} as serial: by it no number of threads is more than `
            + `${times(1 / serial)} times as fast.`;
}

// Why the times are those of a machine with other work: threads that could have a processor each, but had not, or more
// speedup than there are processors, as one thread had to share its own. null where all is well.
export function disturbance(points, processors) {
    const [base, ...others] = points.filter(({threads}) => threads <= processors);
    const point = others.find((other) => timesAsBusy(base, other) > LONGER);
    const most = points.reduce((best, each) => (each.ratio.median > best.ratio.median ? each : best));
    const on = `on ${plural(processors, 'processor')}`;
    const sign = point !== undefined
        ? `${on}, ${plural(point.threads, 'thread')} were busy for ${times(timesAsBusy(base, point))} times as long together `
            + 'as one alone'
        : most.ratio.median > LONGER * processors ? `${on}, no more than ${processors} times as fast is possible` : null;
    return sign === null ? null
        : `But something was in their way: ${sign}. Other work has taken turns with them, or processors share a core: `
            + 'from these times nothing follows for a machine that is idle.';
}

// 1 to N threads: points are sides with their speedup and efficiency as ratio and gain, in order; serial is the fit.
export function sayScaling({points, serial, processors}) {
    const last = points[points.length - 1];
    const knee = plateau(points.map(({threads, ratio}) => ({threads, speedup: ratio.median})));
    const verdict = `${plural(last.threads, 'thread')} were ${times(last.ratio.median)} times as fast as one, `
        + `an efficiency of ${percent(last.gain.median)}.`;
    const disturbed = disturbance(points, processors);
    if (disturbed !== null) {
        return [verdict, disturbed];
    }
    if (knee !== null) {
        return [verdict, `It stops growing at ${plural(knee, 'thread')}, which is what ${plural(knee, 'processor')} `
            + 'would give: more threads than processors only take turns. Amdahl\u2019s law does not know of that.'];
    }
    const uneven = last.ratio.median < MOSTLY * last.threads ? waitedAndAdvised(last.typical) : null;
    return [verdict, uneven ?? limitOf(serial)];
}
