// A run's timeline: a lane for each thread, each tile a bar on the true scale; what is hatched is idle.
import {Bars, BUSY} from './bars.js';
import {themeColours, onTheme} from './colours.js';
import {unitOf, endOf} from './format.js';
import {listenTo} from './gestures.js';
import {Lanes} from './lanes.js';
import {changeMark, drawMark, limitMark} from './marks.js';
import {Scale} from './scale.js';

const AXIS = 26; // all in CSS pixels
const GUTTER = 64;
const TICK = 90; // from one to the next, about, or of a narrow one
const NARROW_TICK = 45;
const APART = 6; // words on the axis
const THEME = ['text', 'muted', 'panel', 'lane', 'hatch', 'rule', 'mark', 'mark-edge', 'limit', 'accent'];

function laneHeight(threads) {
    return threads <= 8 ? 26 : threads <= 16 ? 20 : threads <= 32 ? 13 : threads <= 64 ? 9 : 5;
}

// 1, 2 or 5 times a power of ten, not below.
function nice(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value * 0.9999);
}

export class Timeline {
    #canvas = document.createElement('canvas');
    #listeners = {hover: [], seek: []};
    #lanes = new Lanes();
    #scale = new Scale(GUTTER);
    #time = null;
    #marked = null;
    #queued = false;
    #least; // ns that the whole width stands for
    #run = null;
    #theme;

    // container is empty. scale: the ns that the whole width stands for, where that is more than the run took, so that two
    // timelines can have one scale. label: for who cannot see it.
    constructor(container, {scale = 0, label = 'Timeline, a lane for each thread'} = {}) {
        this.container = container;
        this.#least = scale;
        container.classList.add('timeline');
        this.#canvas.tabIndex = 0;
        this.#canvas.setAttribute('role', 'application');
        this.#canvas.setAttribute('aria-label', label);
        container.append(this.#canvas);
        this.#theme = themeColours(THEME);
        onTheme(() => {
            this.#theme = themeColours(THEME);
            this.#draw();
        });
        new ResizeObserver(() => this.#draw()).observe(container);
        this.#listen();
    }

    // {records, summary, threads, timeLimitNs, wallNs, changes}, as api.js gives it.
    show(run) {
        this.begin(run);
        for (const record of run.records) {
            this.#lanes.add(record);
        }
    }

    // As show(), of a run whose records come by add().
    begin(run) {
        this.#run = run;
        this.#lanes = new Lanes(run.threads);
        this.#scale.fit();
        this.#time = null;
        this.#marked = null;
        this.#draw();
    }

    add(record) {
        this.#lanes.add(record);
        this.#draw();
    }

    // The run's summary has come, which knows of threads that did nothing, too.
    end() {
        this.#lanes.grow(this.#run.threads);
        this.#draw();
    }

    setScale(ns) {
        this.#least = ns;
        this.#draw();
    }

    // The time in a replay; null: there is none.
    setTime(ns) {
        this.#time = ns;
        this.#draw();
    }

    // fn(record or null)
    onHover(fn) {
        this.#listeners.hover.push(fn);
    }

    // fn(ns), where the axis is pressed.
    onSeek(fn) {
        this.#listeners.seek.push(fn);
    }

    highlight(record) {
        this.#marked = record;
        this.#draw();
    }

    // factor above 1: nearer. at: the ns that stay where they are.
    zoom(factor, at = null) {
        const {from, to} = this.#scale.range();
        const marked = this.#marked !== null ? this.#marked.start_time_ns + this.#marked.duration_ns / 2 : null;
        this.#scale.zoom(factor, at ?? marked ?? (from + to) / 2);
        this.#draw();
    }

    fit() {
        this.#scale.fit();
        this.#draw();
    }

    // ---- Drawing ----

    #draw() {
        if (!this.#queued) {
            this.#queued = true;
            requestAnimationFrame(() => {
                this.#queued = false;
                this.#drawNow();
            });
        }
    }

    // In ns.
    #whole() {
        const took = Math.max(this.#run?.wallNs ?? 0, this.#lanes.endNs, this.#least, 1);
        const limit = this.#run?.timeLimitNs ?? 0;
        return limit > 0 && limit < took * 1.25 ? Math.max(took, limit * 1.04) : took;
    }

    #drawNow() {
        const threads = Math.max(1, this.#lanes.records.length);
        const lane = laneHeight(threads);
        const gap = lane > 9 ? 4 : 1;
        const [width, height] = [this.container.clientWidth, AXIS + threads * (lane + gap) + 4];
        if (width === 0) {
            return; // it is not shown, and is drawn when it is
        }
        const canvas = this.#canvas;
        this.#scale.width = Math.max(10, width - GUTTER - BUSY);
        this.#scale.whole = this.#whole();
        canvas.width = Math.round(width * devicePixelRatio);
        canvas.height = Math.round(height * devicePixelRatio);
        canvas.style.height = `${height}px`;
        const context = canvas.getContext('2d');
        context.scale(devicePixelRatio, devicePixelRatio);
        context.font = '11px system-ui, sans-serif';
        context.textBaseline = 'middle';
        this.#lane = {height: lane, pitch: lane + gap};
        const marks = this.#marks(context);
        const bars = new Bars(context, {run: this.#run, lanes: this.#lanes, scale: this.#scale, theme: this.#theme,
            time: this.#time, height: lane});
        this.#drawAxis(context, height, marks);
        if (bars.known) {
            context.textAlign = 'right';
            context.fillText('busy', this.#scale.right + BUSY - 4, 10);
        }
        for (let thread = 0; thread < this.#lanes.records.length; thread++) {
            bars.draw(thread, AXIS + thread * this.#lane.pitch);
        }
        context.save();
        context.beginPath();
        context.rect(GUTTER - 1, 0, this.#scale.width + 2, height);
        context.clip();
        for (const mark of marks) {
            drawMark(context, mark, {colour: this.#theme[mark.x === null ? 'muted' : 'limit'], top: AXIS - 8, bottom: height});
        }
        this.#drawTime(context, height);
        this.#drawMark(context);
        context.restore();
    }

    #lane = {height: 26, pitch: 30};

    #marks(context) {
        const {timeLimitNs: limit = 0, changes = []} = this.#run ?? {};
        return [limitMark(context, limit, this.#scale), ...changes.map((ns) => changeMark(context, ns, this.#scale))]
            .filter((mark) => mark !== null);
    }

    // marks: what stands on the axis already.
    #drawAxis(context, height, marks) {
        const {from, to} = this.#scale.range();
        const step = nice((to - from) * (this.#scale.width < 400 ? NARROW_TICK : TICK) / this.#scale.width);
        const unit = unitOf(Math.min(to, 1000 * step)); // at most three digits after the point
        const digits = Math.max(0, Math.ceil(-Math.log10(step / unit[0]) - 1e-9));
        context.textAlign = 'center';
        const free = (left, right) => marks.every((mark) => right < mark.left || left > mark.right + APART);
        let end = -Infinity; // of the words before
        for (let i = Math.ceil(from / step); i * step <= to; i++) {
            const x = Math.round(this.#scale.x(i * step)) + 0.5;
            context.fillStyle = this.#theme.rule;
            context.fillRect(x - 0.5, AXIS - 6, 1, height - AXIS + 2);
            context.fillStyle = this.#theme.muted;
            const text = `${(i * step / unit[0]).toFixed(digits)} ${unit[1]}`;
            const half = context.measureText(text).width / 2;
            if (x + half < this.#scale.right && x - half > end + APART && free(x - half, x + half)) {
                context.fillText(text, x, 10);
                end = x + half;
            }
        }
    }

    #drawTime(context, height) {
        if (this.#time === null) {
            return;
        }
        const x = Math.round(this.#scale.x(this.#time));
        context.fillStyle = this.#theme.accent;
        context.fillRect(x - 1, AXIS - 8, 2, height);
        context.beginPath();
        context.moveTo(x - 6, AXIS - 14);
        context.lineTo(x + 6, AXIS - 14);
        context.lineTo(x, AXIS - 4);
        context.fill();
    }

    #drawMark(context) {
        if (this.#marked === null) {
            return;
        }
        const left = this.#scale.x(this.#marked.start_time_ns);
        const width = Math.max(2, this.#scale.x(endOf(this.#marked)) - left - 1);
        const y = AXIS + this.#marked.thread_id * this.#lane.pitch;
        for (const [line, colour] of [[4, 'mark-edge'], [2, 'mark']]) {
            context.lineWidth = line;
            context.strokeStyle = this.#theme[colour];
            context.strokeRect(left, y, width, this.#lane.height);
        }
    }

    // ---- Pointer and keyboard ----

    #listen() {
        listenTo(this.#canvas, {
            isAxis: (y) => y < AXIS,
            seek: (x) => this.#seek(x),
            hover: (x, y) => this.#hover(x === null ? null : this.#recordAt(x, y)),
            pan: (pixels) => this.#pan(pixels),
            zoom: (factor, x) => this.zoom(factor, this.#scale.ns(x)),
            twice: () => this.#scale.isWhole ? this.zoom(4) : this.fit(),
            keys: {
                '+': () => this.zoom(1.5), '=': () => this.zoom(1.5), '-': () => this.zoom(1 / 1.5), '0': () => this.fit(),
                ArrowRight: () => this.#step(1), ArrowLeft: () => this.#step(-1),
                ArrowDown: () => this.#change(1), ArrowUp: () => this.#change(-1),
                Home: () => this.#step(-Infinity), End: () => this.#step(Infinity), Enter: () => this.#zoomToMarked(),
                Escape: () => this.#hover(null),
                'Shift+ArrowRight': () => this.#pan(this.#scale.width / 4),
                'Shift+ArrowLeft': () => this.#pan(-this.#scale.width / 4),
            },
        });
    }

    #seek(x) {
        const ns = Math.min(this.#whole(), Math.max(0, this.#scale.ns(x)));
        this.#listeners.seek.forEach((fn) => fn(ns));
    }

    #pan(pixels) {
        const {from, to} = this.#scale.range();
        this.#scale.look(from + pixels / this.#scale.width * (to - from), to - from);
        this.#draw();
    }

    #recordAt(x, y) {
        const thread = Math.floor((y - AXIS) / this.#lane.pitch);
        if (y < AXIS || x < GUTTER || x > this.#scale.right) {
            return null;
        }
        const ns = this.#scale.ns(x);
        const pixel = this.#scale.ns(1) - this.#scale.ns(0);
        const near = this.#lanes.records[thread]?.[this.#lanes.from(thread, ns - pixel)];
        return this.#lanes.at(thread, ns) ?? (near?.start_time_ns <= ns + pixel ? near : null);
    }

    // To the next bar in the lane, or the one before.
    #step(by) {
        const {thread_id: thread = 0} = this.#marked ?? {};
        const lane = this.#lanes.records[thread] ?? [];
        const now = this.#marked === null ? -by : lane.indexOf(this.#marked);
        this.#go(lane[this.#marked === null ? 0 : Math.min(lane.length - 1, Math.max(0, now + by))]);
    }

    // So that the bar has a third of the width.
    #zoomToMarked() {
        if (this.#marked !== null) {
            const {start_time_ns: start, duration_ns: took} = this.#marked;
            this.#scale.look(start - took, 3 * Math.max(took, 100));
            this.#draw();
        }
    }

    // To what the next thread does at that time.
    #change(by) {
        if (this.#marked === null) {
            return this.#step(1);
        }
        const thread = this.#marked.thread_id + by;
        const lane = this.#lanes.records[thread] ?? [];
        return this.#go(lane[this.#lanes.from(thread, this.#marked.start_time_ns)] ?? lane.at(-1));
    }

    #go(record) {
        if (record === undefined) {
            return;
        }
        this.#hover(record);
        const {from, to} = this.#scale.range();
        if (record.start_time_ns < from || endOf(record) > to) {
            this.#scale.look(record.start_time_ns - (to - from) / 4, to - from);
            this.#draw();
        }
    }

    #hover(record) {
        if (record !== this.#marked) {
            this.highlight(record);
            this.#listeners.hover.forEach((fn) => fn(record));
        }
    }
}
