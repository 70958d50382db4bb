// The charts of 1 to N threads: what was measured, what would be ideal, and Amdahl's curve.
import {drawnToFit, h, svg} from './compare-dom.js';
import {duration, plural, unitOf} from './format.js';

const HEIGHT = 278;
const MARGIN = {top: 30, right: 16, bottom: 40, left: 48};
const LABEL = 26; // px that a number of threads needs on its axis
const CAP = 5;    // px of half a whisker's end

// Steps of 1, 2 or 5 times a power of ten, about so many.
function ticks(most, about) {
    const rough = most / about;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    return Array.from({length: Math.floor(most / step + 1e-9) + 1}, (_, i) => i * step);
}

function scales(width, chart) {
    const across = width - MARGIN.left - MARGIN.right;
    const down = HEIGHT - MARGIN.top - MARGIN.bottom;
    return {
        x: (threads) => MARGIN.left + across * (threads - 1) / Math.max(1, chart.mostThreads - 1),
        y: (value) => MARGIN.top + down * (1 - value / chart.most),
        right: width - MARGIN.right, bottom: HEIGHT - MARGIN.bottom,
    };
}

function path(points, {x, y}) {
    return `M${points.map(([threads, value]) => `${x(threads).toFixed(1)} ${y(value).toFixed(1)}`).join('L')}`;
}

// A function of the number of threads, as a line.
function curve(of, chart, at) {
    const points = Array.from({length: 65}, (_, i) => 1 + (chart.mostThreads - 1) * i / 64);
    return path(points.map((threads) => [threads, of(threads)]), at);
}

// Numbers of threads that have room beside each other on the axis; the last one always has.
function labelled({points}, at) {
    const shown = [points.at(-1)];
    for (const each of points.slice(0, -1).reverse()) {
        if (at.x(shown[0].threads) - at.x(each.threads) >= LABEL) {
            shown.unshift(each);
        }
    }
    return shown;
}

function axes(chart, at) {
    return svg('g', {class: 'axes'},
        ticks(chart.most, 5).map((value) => [
            svg('line', {x1: MARGIN.left, x2: at.right, y1: at.y(value), y2: at.y(value)}),
            svg('text', {x: MARGIN.left - 8, y: at.y(value), 'text-anchor': 'end', 'dominant-baseline': 'middle'},
                chart.format(value)),
        ]),
        labelled(chart, at).map(({threads}) =>
            svg('text', {x: at.x(threads), y: at.bottom + 18, 'text-anchor': 'middle'}, String(threads))),
        svg('text', {x: 0, y: 12}, chart.unit),
        svg('text', {x: at.right, y: at.bottom + 35, 'text-anchor': 'end'}, 'threads'));
}

// Where threads begin to take turns, if the processors are as many as was said.
function crowd({processors, mostThreads}, at) {
    if (processors >= mostThreads) {
        return null;
    }
    const x = at.x(processors);
    return svg('g', {class: 'crowd'},
        svg('rect', {x, y: MARGIN.top, width: at.right - x, height: at.bottom - MARGIN.top}),
        svg('line', {x1: x, x2: x, y1: MARGIN.top, y2: at.bottom}),
        svg('text', {x: x + 6, y: at.bottom - 8}, plural(processors, 'processor')));
}

function point({threads, value}, chart, at) {
    const x = at.x(threads), low = at.y(value.least), high = at.y(value.most);
    return svg('g', {class: 'measured'},
        svg('path', {d: `M${x - CAP} ${low}h${2 * CAP}M${x} ${low}V${high}M${x - CAP} ${high}h${2 * CAP}`}),
        svg('circle', {cx: x, cy: at.y(value.median), r: 4}),
        svg('title', {}, `${plural(threads, 'thread')}: ${chart.format(value.median, 2)}, `
            + `from ${chart.format(value.least, 2)} to ${chart.format(value.most, 2)}`));
}

function draw(chart, width) {
    const at = scales(width, chart);
    const clip = `${chart.id}-clip`;
    return svg('svg', {class: 'compare-chart', width, height: HEIGHT, role: 'img', 'aria-label': chart.says},
        svg('clipPath', {id: clip}, svg('rect', {
            x: MARGIN.left, y: MARGIN.top, width: at.right - MARGIN.left, height: at.bottom - MARGIN.top,
        })),
        crowd(chart, at), axes(chart, at),
        svg('g', {'clip-path': `url(#${clip})`},
            svg('path', {class: 'ideal', d: curve(chart.ideal, chart, at)}, svg('title', {}, 'Ideal: no time is lost')),
            svg('path', {class: 'amdahl', d: curve(chart.amdahl, chart, at)}, svg('title', {}, chart.law)),
            svg('path', {class: 'line', d: path(chart.points.map(({threads, value}) => [threads, value.median]), at)})),
        chart.points.map((each) => point(each, chart, at)));
}

// chart: {id, title, unit, says, points: [{threads, value: {median, least, most}}], most, mostThreads, processors,
// ideal(threads), amdahl(threads), law, format(value, digits)}. says is for who cannot see it.
export function lineChart(chart) {
    const box = h('div', {class: 'compare-plot'});
    drawnToFit(box, (width) => box.replaceChildren(draw(chart, width)));
    return h('figure', {}, h('figcaption', {}, chart.title), box);
}

const ROW = 64;
const ROWS = {top: 6, right: 12, bottom: 26, left: 1};

// A side's runs on one line: each as a dot, whiskers from the least to the most, the median as a bar.
function wallRow(side, i, x) {
    const {least, most, median} = side.wall;
    const top = ROWS.top + i * ROW, y = top + 38;
    const cap = (ns) => `M${x(ns)} ${y - CAP}v${2 * CAP}`;
    return svg('g', {class: `row row-${'ab'[i]}`},
        svg('text', {x: ROWS.left + 6, y: top + 18}, side.name),
        svg('path', {d: `${cap(least)}${cap(most)}M${x(least)} ${y}H${x(most)}`}),
        side.walls.map((wall) =>
            svg('circle', {cx: x(wall), cy: y, r: 4}, svg('title', {}, `${side.name}: ${duration(wall)}`))),
        svg('path', {class: 'median', d: `M${x(median)} ${y - 10}v20`},
            svg('title', {}, `${side.name}: ${duration(median)} at the median`)));
}

function drawWalls(sides, width) {
    const height = ROWS.top + ROW * sides.length + ROWS.bottom;
    const longest = 1.05 * Math.max(...sides.map(({wall}) => wall.most));
    const x = (ns) => ROWS.left + (width - ROWS.left - ROWS.right) * ns / longest;
    const says = sides.map(({name, wall: {median, least, most}}) =>
        `${name}: ${duration(median)} at the median, from ${duration(least)} to ${duration(most)}`).join('; ');
    const marks = ticks(longest, Math.max(2, width / 110));
    const unit = unitOf(marks[1]);
    return svg('svg', {class: 'compare-chart', width, height, role: 'img', 'aria-label': says},
        svg('g', {class: 'axes'}, marks.map((ns) => [
            svg('line', {x1: x(ns), x2: x(ns), y1: ROWS.top, y2: height - ROWS.bottom}),
            svg('text', {x: x(ns), y: height - 8, 'text-anchor': ns === 0 ? 'start' : 'middle'},
                ns === 0 ? '0' : `${+(ns / unit[0]).toPrecision(3)} ${unit[1]}`),
        ])),
        sides.map((side, i) => wallRow(side, i, x)));
}

export function wallChart(sides) {
    const box = h('div', {class: 'compare-plot'});
    drawnToFit(box, (width) => box.replaceChildren(drawWalls(sides, width)));
    return h('figure', {}, h('figcaption', {}, 'Wall time of every run'), box);
}
