// Two runs that were made one after the other, replayed on one clock: two pictures, two timelines of one scale.
import {describe} from './aloud.js';
import {h} from './compare-dom.js';
import {lanesInWords, pictureInWords} from './figures.js';
import {duration, endOf, number} from './format.js';
import {Picture} from './image.js';
import {Replay} from './replay.js';
import {Timeline} from './timeline.js';

const MOST_PIXELS = 1 << 18; // of a picture, which is small here

class Side {
    constructor(letter) {
        this.names = [h('span'), h('span')];
        this.took = h('small');
        this.state = h('p', {class: 'race-state'});
        const frame = h('div', {class: 'picture'}), lanes = h('div');
        Object.assign(this, {frame, lanes});
        this.figure = h('figure', {class: `side-${letter}`},
            h('figcaption', {}, h('span', {class: 'swatch'}), this.names[0]), h('div', {class: 'frame'}, frame), this.state);
        this.section = h('section', {class: `side-${letter}`},
            h('h3', {}, h('span', {class: 'swatch'}), this.names[1], this.took), lanes);
        this.picture = new Picture(frame, {label: 'The image, by thread. Arrows choose a tile.', most: MOST_PIXELS});
        this.picture.setColour('thread');
        this.timeline = new Timeline(lanes, {label: 'Timeline, a lane for each thread'});
    }

    show({name, typical}, longest) {
        this.run = typical;
        this.ends = typical.records.map(endOf).sort((a, b) => a - b);
        this.byTask = new Map(typical.records.map((record) => [record.task_id, record]));
        this.names.forEach((element) => {
            element.textContent = name;
        });
        this.took.textContent = `${duration(typical.summary.wall_ns)}, the run next to the median`;
        this.picture.show(typical);
        this.timeline.show(typical);
        this.timeline.setScale(longest);
        describe(this.frame, `${name}: ${pictureInWords(typical)}`);
        describe(this.lanes, `${name}. ${lanesInWords(typical)}`);
    }

    setTime(ns, first) {
        const {wall_ns: wall, tiles_planned: planned} = this.run.summary;
        this.picture.setTime(ns);
        this.timeline.setTime(ns);
        const over = ns === null || ns >= wall;
        const done = over ? this.ends.length : this.ends.findLastIndex((end) => end <= ns) + 1;
        this.figure.classList.toggle('ended', over);
        this.state.textContent = over && done === planned ? `Whole after ${duration(wall)}${first ? ': the first' : ''}`
            : `${number(done)} of ${number(planned)} tiles`;
    }

    mark(record) {
        const same = record === null ? null : this.byTask.get(record.task_id) ?? null;
        this.picture.highlight(same);
        this.timeline.highlight(same);
    }
}

function transport() {
    const elements = {
        play: h('button', {type: 'button', class: 'play primary', 'data-playing': 'false'}),
        restart: h('button', {type: 'button', class: 'small restart'}, 'End'),
        scrubber: h('input', {class: 'scrubber', type: 'range', min: 0, step: 'any', 'aria-label': 'Time in both runs'}),
        clock: h('span', {class: 'clock'}),
        speed: h('input', {type: 'range', min: -6, max: 1, step: 'any', value: 0, 'aria-label': 'Speed of the race'}),
        speedText: h('span', {class: 'speed-text'}),
    };
    const {play, restart, scrubber, clock, speed, speedText} = elements;
    return {elements, bar: h('div', {class: 'transport'}, play, restart, scrubber, clock,
        h('label', {class: 'speed'}, 'Speed', speed), speedText)};
}

// Made once and shown anew: what it consists of lives as long as the page. api.counts gives the pictures their shades.
export class Race {
    #sides = [new Side('a'), new Side('b')];
    #said = h('p');
    #shown = 0;

    constructor({api}) {
        this.api = api;
        const {elements, bar} = transport();
        this.replay = new Replay(elements, {label: 'Race'});
        this.element = h('section', {class: 'compare-race', 'aria-label': 'The race'},
            h('h3', {}, 'The race'), this.#said,
            h('div', {class: 'race-pictures'}, this.#sides.map(({figure}) => figure)), bar,
            h('div', {class: 'compare-timelines'}, this.#sides.map(({section}) => section)));
        this.replay.onTime((ns) => this.#sides.forEach((side) => side.setTime(ns, side === this.#first)));
        for (const {picture, timeline} of this.#sides) {
            for (const shows of [picture, timeline]) {
                shows.onHover((record) => this.#sides.forEach((side) => side.mark(record)));
            }
            timeline.onSeek((ns) => {
                this.replay.pause();
                this.replay.seek(ns);
            });
        }
    }

    #first = null;

    // sides: of each, its name and its typical run.
    show(sides) {
        const walls = sides.map(({typical}) => typical.summary.wall_ns);
        this.#sides.forEach((side, i) => side.show(sides[i], Math.max(...walls)));
        const [fast, slow] = walls[0] <= walls[1] ? [0, 1] : [1, 0];
        this.#first = walls[fast] < walls[slow] ? this.#sides[fast] : null;
        const cut = sides.some(({typical}) => typical.summary.time_limited);
        this.#said.textContent = cut ? 'Here both start together, on one clock: look at how far each had come when its time was up.'
            : `Each ran alone; here both start together, on one clock: first comes ${sides[fast].name}, after `
                + `${duration(walls[fast])}, then ${sides[slow].name}, after ${duration(walls[slow])}. Look at which picture is `
                + 'whole first, and at which threads have nothing left to do meanwhile.';
        this.replay.load(Math.max(...walls));
        this.#shade(sides[0].typical.params);
        return this.element;
    }

    // Counts are the same whoever computes them: once is enough, and without them the threads' colours are plain.
    async #shade(params) {
        const shown = ++this.#shown;
        const counts = await this.api.counts(params, this.#sides[0].picture.size).catch(() => null);
        if (counts !== null && shown === this.#shown) {
            this.#sides.forEach(({picture}) => picture.shade(counts));
        }
    }
}
