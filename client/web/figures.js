// A run in figures and a sentence, and a tile in words.
import {threadColour} from './colours.js';
import {holdsInterior} from './compare-words.js';
import {duration, number, percent, plural} from './format.js';
import {isTooFine, regionInWords} from './region.js';

const SHORT_NS = 50e6; // to wake the threads is no small part of a run that is shorter

const byId = (id) => document.getElementById(id);

function figure(name, text) {
    byId(`figure-${name}`).textContent = text;
}

// Whether the summary is of all that was done: where a server was lost, it is of the last attempt alone, if it came at all.
export const isWhole = ({summary, changes}) => summary !== null && changes.length === 0 && summary.tiles_planned > 0;

// What there is to be seen. processors: the service's; null: it does not say.
export function lessonOf(run, processors = null) {
    const {summary, params, planned} = run;
    if (summary !== null && !isWhole(run)) {
        return 'A server was lost in mid-run, and what was missing was computed anew, by another clock. In the timeline the '
            + 'attempts stand one after the other, with a line between them. How long it took in all, and how busy the threads '
            + 'were, nobody knows.';
    }
    if (summary === null || summary.threads.length === 0) {
        return '';
    }
    const busy = summary.threads.map((thread) => thread.busy_ns);
    if (summary.wall_ns > SHORT_NS && Math.max(...busy) < summary.wall_ns / 2) {
        return 'The threads waited for this page most of the time: they go no further ahead of who takes their tiles than some '
            + 'megabytes. “The same request elsewhere” takes only their times, and shows how fast the threads are.';
    }
    if (summary.time_limited) {
        return 'The limit is looked at before each tile: what was begun was finished, and nothing else was begun.';
    }
    if (planned === 1) {
        return 'There is one tile, which no two threads can share. Make the tiles smaller.';
    }
    if (summary.threads.length === 1) {
        return 'One thread did it all. Give it company, and see how much sooner it is done.';
    }
    const fixed = summary.schedule === 'static' || summary.schedule === 'cyclic';
    if (!fixed && processors !== null && summary.threads.length > processors) {
        return `${number(summary.threads.length)} threads took turns on ${plural(processors, 'processor')}: a bar is also the `
            + 'time in which its thread waited for one. More threads than processors make nothing sooner.';
    }
    const busiest = summary.threads[busy.indexOf(Math.max(...busy))].thread_id;
    if (summary.imbalance < 1.15) {
        return 'All threads worked for about as long: the work was shared out well.';
    }
    const why = holdsInterior(run, busiest)
        ? `: its tiles hold more of the black interior, where every pixel takes all ${number(params.max_iter)} iterations` : '';
    const advice = fixed && planned > summary.threads.length
        ? ', and compare the schedule “dynamic”.' : '; smaller tiles would share more evenly.';
    return `Thread ${busiest} worked ${summary.imbalance.toFixed(2)} times as long as the threads did on average, which is the `
        + `imbalance${why}. Look at the hatched time in the other lanes${advice}`;
}

const MOST_LANES = 16; // that anybody would listen to

// What a timeline shows, for who cannot see it.
export function lanesInWords(run) {
    const {summary} = run;
    const threads = isWhole(run) ? summary.threads : [];
    const busy = ({thread_id: thread, busy_ns: ns}) => `thread ${thread}: ${percent(ns / Math.max(1, summary.wall_ns))}`;
    const sorted = threads.toSorted((a, b) => b.busy_ns - a.busy_ns);
    return threads.length === 0 ? ''
        : threads.length <= MOST_LANES ? `Busy of ${duration(summary.wall_ns)}: ${threads.map(busy).join(', ')}.`
            : `Busy of ${duration(summary.wall_ns)}: of ${plural(threads.length, 'thread')} the most, ${busy(sorted[0])}, `
                + `and the least, ${busy(sorted.at(-1))}.`;
}

// What a picture shows.
export function pictureInWords({params}) {
    const {width, height, tile_w: tileW, tile_h: tileH} = params;
    return `${number(width)} × ${number(height)} pixels of ${regionInWords(params)}, in ${number(Math.ceil(width / tileW))} × `
        + `${number(Math.ceil(height / tileH))} tiles.`;
}

// What a picture cannot show. step: as pixels.js has it.
export function limitsInWords(params, step) {
    return (step > 1 ? ` The image is large: of every ${step} × ${step} pixels one is shown, and kept as PNG.` : '')
        + (isTooFine(params) ? ' Pixels lie closer together here than a double can tell: what is shown is blocks, or nothing new.' : '');
}

export function showFigures(run, processors) {
    const {summary} = run;
    const whole = isWhole(run);
    const threads = summary?.threads.length ?? 0;
    const busy = summary?.threads.reduce((sum, thread) => sum + thread.busy_ns, 0) ?? 0;
    figure('wall', whole ? duration(summary.wall_ns) : '–');
    figure('threads', threads > 0 ? number(threads) : '–');
    figure('tiles', `${number(run.records.length)} of ${number(run.planned)}`);
    figure('busy', whole && threads > 0 ? percent(busy / threads / Math.max(1, summary.wall_ns)) : '–');
    figure('imbalance', whole ? summary.imbalance.toFixed(2) : '–');
    figure('kernel', summary?.kernel || '–');
    const lesson = byId('lesson');
    lesson.style.minHeight = summary ? '' : `${lesson.offsetHeight}px`; // what is below stays where it is meanwhile
    lesson.textContent = lessonOf(run, processors);
}

export function showTile(record) {
    byId('tile').hidden = record === null;
    byId('tile-none').hidden = record !== null;
    if (record === null) {
        byId('tile-said').textContent = '';
        return;
    }
    const pixels = plural(record.columns * record.rows, 'pixel');
    byId('tile-task').textContent = number(record.task_id);
    byId('tile-thread').textContent = record.thread_id;
    byId('tile-swatch').style.background = threadColour(record.thread_id);
    byId('tile-start').textContent = duration(record.start_time_ns);
    byId('tile-duration').textContent = duration(record.duration_ns);
    byId('tile-pixels').textContent = `${record.columns} × ${record.rows} = ${number(record.columns * record.rows)}`;
    byId('tile-place').textContent = `${number(record.tile_x)}, ${number(record.tile_y)}`;
    byId('tile-said').textContent = `Task ${record.task_id}, thread ${record.thread_id}, start `
        + `${duration(record.start_time_ns)}, duration ${duration(record.duration_ns)}, ${pixels}`;
}
