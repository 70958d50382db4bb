// What a comparison came to, on the page.
import {lineChart, wallChart} from './compare-chart.js';
import {h, svg, table} from './compare-dom.js';
import {amdahl, efficiency, fitAmdahl, sideFigures, speedup} from './compare-figures.js';
import {cutShort, disturbance, sayConcurrent, saySchedules, sayScaling, times} from './compare-words.js';
import {duration, percent, plural} from './format.js';
import {regionInWords} from './region.js';

const LAW = 'Amdahl: S(n) = 1 / (f + (1 \u2212 f) / n)';
const fixed = (value) => value.toFixed(2);

function described(params, kernel) {
    const {width, height, tile_w, tile_h, max_iter} = params;
    return `${width} \u00d7 ${height} in tiles of ${tile_w} \u00d7 ${tile_h}, ${plural(max_iter, 'iteration')}, `
        + `${regionInWords(params)}, kernel ${kernel}`;
}

const between = (format, {least, most}) => `${format(least)} to ${format(most)}`;

// A median with its spread, as a table's cell has it.
function cell(format, figure) {
    return [format(figure.median), h('small', {}, between(format, figure))];
}

// [name, value, note] each.
function headline(entries) {
    return h('dl', {class: 'compare-headline'}, entries.map(([name, value, note]) =>
        h('div', {}, h('dt', {}, name), h('dd', {}, h('strong', {}, value), h('small', {}, note)))));
}

function imbalanceNote({name, imbalance: {median}}) {
    return h('p', {class: 'note'}, `An imbalance of ${fixed(median)}, of ${name}: its busiest thread computed ${fixed(median)} times `
        + 'as long as its threads did on average. At 1.00 all have the same to do.');
}

function idleNote({threads}) {
    return threads === 1 ? 'of one thread\u2019s time' : `of ${threads} threads\u2019 time`;
}

// folds: it has more columns than a phone has room for, so that a row takes two lines there.
function scrolled(name, content, {folds = false} = {}) {
    return h('div', {class: folds ? 'scroll folds' : 'scroll', tabindex: 0, role: 'region', 'aria-label': name}, content);
}

// A row for each run, in rounds: as many columns as there are sides would fit no window.
function everyRun(sides) {
    const rows = sides[0].each.flatMap((_, round) => sides.map(({name, each}) =>
        [name, String(round + 1), duration(each[round].wallNs), fixed(each[round].imbalance)]));
    return h('details', {class: 'compare-runs'}, h('summary', {}, 'Every run as a table'),
        scrolled('Every run', table('Every run, in rounds', ['Run', 'Round', 'Wall time', 'Imbalance'], rows)));
}

function about(sides) {
    const {params, summary} = sides[0].typical;
    return h('p', {class: 'compare-about'}, `${described(params, summary.kernel)}. `
        + `${plural(sides[0].runs.length, 'run')} of each, in turns: medians, with the least and the most of all.`);
}

function frame(sides, {sentences, entries}, ...rest) {
    return h('div', {class: 'compare-result'},
        h('p', {class: 'compare-lesson'}, sentences.join(' ')), headline(entries), imbalanceNote(sides[sides.length - 1]),
        ...rest, everyRun(sides), about(sides));
}

// Of runs that the time limit ended there is nothing to compare, but how far they came.
function cutFrame(sides, warning, race) {
    return h('div', {class: 'compare-result'},
        h('p', {class: 'compare-lesson cut'}, warning), race.show(sides.slice(-2)), about(sides));
}

function pairTable(sides, against) {
    const row = (name, format, pick) => [name, ...sides.map((side) => cell(format, pick(side)))];
    return table('Medians, and from the least to the most', ['Figure', ...sides.map(({name}) => name)], [
        row('Wall time', duration, ({wall}) => wall),
        row(`Speedup over ${against}`, times, ({ratio}) => ratio),
        row('Efficiency', percent, ({gain}) => gain),
        row('Imbalance', fixed, ({imbalance}) => imbalance),
        row('Threads idle', percent, ({idle}) => idle),
    ]);
}

// all: of which sides, those shown, are the last.
function pair({all, sides, against, race, ...head}) {
    return frame(all, head, race.show(sides),
        h('div', {class: 'compare-charts'}, wallChart(sides),
            h('figure', {}, h('figcaption', {}, 'The figures'), scrolled('The figures', pairTable(sides, against)))));
}

// works: {name, ...}, in their order; runs: of each. The first is one thread's, with which the others are compared:
// ratio is their speedup, gain their efficiency.
function sidesOf(works, runs) {
    const sides = works.map(({name}, i) => ({name, ...sideFigures(runs[i])}));
    return sides.map((side) => {
        const ratio = speedup(sides[0].walls, side.walls);
        return {...side, ratio, gain: efficiency(ratio, side.threads)};
    });
}

// race: a Race, which the result takes for itself.
export function concurrentResult(works, runs, race) {
    const sides = sidesOf(works, runs);
    const [base, other] = sides;
    const warning = cutShort(sides);
    return warning !== null ? cutFrame(sides, warning, race) : pair({
        all: sides, sides, against: 'one thread', race,
        sentences: sayConcurrent({base, other, ratio: other.ratio, efficiency: other.gain}),
        entries: [
            ['Speedup', `${times(other.ratio.median)} \u00d7`, between(times, other.ratio)],
            ['Efficiency', percent(other.gain.median), `speedup divided by ${other.threads} threads`],
            ['Imbalance', fixed(other.imbalance.median), 'busiest thread over the mean'],
            ['Threads idle', percent(other.idle.median), idleNote(other)],
        ],
    });
}

export function scheduleResult(works, runs, race) {
    const all = sidesOf(works, runs);
    const [one, base, other] = all;
    const warning = cutShort(all);
    const ratio = speedup(base.walls, other.walls);
    const both = (format, pick) => `${format(pick(base).median)} \u2192 ${format(pick(other).median)}`;
    const order = `${base.name} \u2192 ${other.name}`;
    return warning !== null ? cutFrame(all, warning, race) : pair({
        all, sides: [base, other], race, against: `one thread (${duration(one.wall.median)})`,
        sentences: saySchedules({base, other, ratio}),
        entries: [
            [`${other.name} against ${base.name}`, `${times(ratio.median)} \u00d7`, between(times, ratio)],
            ['Efficiency', both(percent, ({gain}) => gain), order],
            ['Imbalance', both(fixed, ({imbalance}) => imbalance), order],
            ['Threads idle', both(percent, ({idle}) => idle), order],
        ],
    });
}

// The chart's own marks, drawn small.
const KEYS = {
    measured: () => [svg('path', {class: 'line', d: 'M0 7H28'}),
        svg('g', {class: 'measured'}, svg('circle', {cx: 14, cy: 7, r: 4}))],
    ideal: () => svg('path', {class: 'ideal', d: 'M1 7H28'}),
    amdahl: () => svg('path', {class: 'amdahl', d: 'M0 7H28'}),
    crowd: () => svg('g', {class: 'crowd'}, svg('rect', {width: 28, height: 14}), svg('line', {y2: 14})),
};

function legend(serial, crowded) {
    const item = (key, text) =>
        h('li', {}, svg('svg', {class: 'compare-chart', 'aria-hidden': 'true'}, KEYS[key]()), text);
    return h('ul', {class: 'compare-legend'},
        item('measured', 'measured: median, least and most'), item('ideal', 'ideal'),
        item('amdahl', `Amdahl, ${percent(serial)} serial`), crowded && item('crowd', 'more threads than processors'));
}

function law(serial, upTo) {
    return h('details', {class: 'compare-law'}, h('summary', {}, 'Amdahl\u2019s law, and how it is fitted'),
        h('p', {}, 'Work of which the fraction f is serial is S(n) = 1 / (f + (1 \u2212 f) / n) times as fast on n '
            + `processors. Here f\u00a0=\u00a0${serial.toFixed(4)}, by the least squares of the relative times 1 / S(n) of up to `
            + `${upTo.name}: more threads than processors take turns, of which the law says nothing.`),
        h('p', {}, 'G. M. Amdahl, Validity of the single processor approach to achieving large scale computing '
            + 'capabilities, AFIPS Spring Joint Computer Conference, 1967.'));
}

function scalingCharts(points, serial, processors) {
    const mostThreads = points[points.length - 1].threads;
    const highest = Math.max(...points.map(({ratio}) => ratio.most));
    const shared = {mostThreads, processors, law: `${LAW}, f = ${serial.toFixed(4)}`};
    const says = (format, pick) => points.map((point) => `${point.name} ${format(pick(point).median)}`).join(', ');
    const values = (pick) => points.map((point) => ({threads: point.threads, value: pick(point)}));
    return h('div', {class: 'compare-charts'},
        lineChart({
            ...shared, id: 'compare-speedup', title: 'Speedup over one thread', unit: 'times as fast', points: values(({ratio}) => ratio),
            says: `Speedup: ${says(times, ({ratio}) => ratio)}`,
            most: Math.max(1.1 * highest, Math.min(mostThreads, 2 * highest)),
            ideal: (threads) => threads, amdahl: (threads) => amdahl(serial, threads),
            format: (value, digits = 1) => String(+value.toFixed(digits)),
        }),
        lineChart({
            ...shared, id: 'compare-efficiency', title: 'Efficiency: speedup over threads', unit: 'of a thread\u2019s time put to use',
            points: values(({gain}) => gain), says: `Efficiency: ${says(percent, ({gain}) => gain)}`,
            most: 1.08 * Math.max(1, ...points.map(({gain}) => gain.most)),
            ideal: () => 1, amdahl: (threads) => amdahl(serial, threads) / threads, format: percent,
        }));
}

function scalingTable(points) {
    return table('Medians, and from the least to the most',
        ['Threads', 'Wall time', 'Speedup', 'Efficiency', 'Imbalance', 'Idle'],
        points.map(({threads, wall, ratio, gain, imbalance, idle}) => [String(threads), cell(duration, wall),
            cell(times, ratio), cell(percent, gain), cell(fixed, imbalance), cell(percent, idle)]));
}

// Which run stands beside that of one thread.
function chosen(points, select) {
    const choice = h('select', {id: 'compare-shown', change: () => select(points[choice.value])},
        points.map(({name}, i) => i > 0 && h('option', {value: i, selected: i === points.length - 1}, name)));
    return h('p', {class: 'compare-chosen'}, h('label', {for: choice.id}, 'Beside one thread:'), choice);
}

// Amdahl's fit and up to how many threads it goes: those that have a processor each, if there are several.
function fitOf(points, processors) {
    const fitted = points.filter(({threads}) => threads <= processors);
    const used = fitted.length > 1 ? fitted : points;
    return {
        serial: fitAmdahl(used.map(({threads, ratio}) => ({threads, speedup: ratio.median}))),
        upTo: used[used.length - 1],
    };
}

export function scalingResult(works, runs, race, processors) {
    const points = sidesOf(works, runs);
    const warning = cutShort(points);
    if (warning !== null) {
        return cutFrame(points, warning, race);
    }
    const last = points[points.length - 1];
    const best = points.reduce((most, point) => (point.ratio.median > most.ratio.median ? point : most));
    const {serial, upTo} = fitOf(points, processors);
    return frame(points, {
        sentences: sayScaling({points, serial, processors}),
        entries: [
            ['Most speedup', `${times(best.ratio.median)} \u00d7`, `with ${best.name}`],
            ['Efficiency there', percent(best.gain.median), between(percent, best.gain)],
            disturbance(points, processors) === null
                ? ['Serial, by Amdahl\u2019s fit', percent(serial), `up to ${upTo.name}`]
                : ['Serial, by Amdahl\u2019s fit', '\u2013', 'not with other work there'],
            ['Imbalance', fixed(last.imbalance.median), `of ${last.name}`],
        ],
    },
    scalingCharts(points, serial, processors), legend(serial, processors < last.threads), law(serial, upTo),
    scrolled('The figures', scalingTable(points), {folds: true}), chosen(points, (point) => race.show([points[0], point])),
    race.show([points[0], last]));
}
