// The image: each tile as it is finished, by escape count or by thread.
import {threadColour, themeColours, onTheme} from './colours.js';
import {endOf} from './format.js';
import {Aim} from './image-aim.js';
import {Lanes} from './lanes.js';
import {drawThread, hasRoom} from './marks.js';
import {Pixels} from './pixels.js';
import {partOf, regionOf} from './region.js';

const STILL = matchMedia('(prefers-reduced-motion: reduce)');

export class Picture {
    #base = document.createElement('canvas');
    #over = document.createElement('canvas');
    #listeners = {hover: [], region: [], back: []};
    #by = 'escape';
    #time = null;
    #marked = null;
    #box = null; // that is being dragged, in CSS pixels
    #aim;
    #queued = false;
    #painted = 0; // of #order, at #time
    #order = []; // in order of their ends
    #theme;

    // container is empty, and positioned. most: how many pixels are kept, of a larger image every second, third, ...
    constructor(container, {label = 'The image', most} = {}) {
        this.container = container;
        this.most = most;
        this.#base.className = 'pixels';
        this.#base.setAttribute('aria-hidden', 'true');
        this.#over.className = 'over';
        this.#over.tabIndex = 0;
        this.#over.setAttribute('role', 'application');
        this.#over.setAttribute('aria-label', label);
        container.append(this.#base, this.#over);
        this.#theme = themeColours(['mark', 'mark-edge']);
        onTheme(() => {
            this.#theme = themeColours(['mark', 'mark-edge']);
            this.#draw();
        });
        new ResizeObserver(() => this.#draw()).observe(container);
        this.#aim = new Aim(this.#over, this.#aims());
        this.begin({width: 800, height: 600, tile_w: 64, tile_h: 64, max_iter: 256});
    }

    get canvas() {
        return this.#base;
    }

    // As pixels.js has it.
    get step() {
        return this.#pixels.step;
    }

    onHover(fn) {
        this.#listeners.hover.push(fn);
    }

    // fn(region), of what was dragged over. Called once: a picture of which nobody asks that leaves fingers and wheel alone.
    onRegion(fn) {
        this.#listeners.region.push(fn);
        this.#over.classList.add('zooms');
        this.#aim.zooms();
    }

    // fn(), where the keyboard asks for what was there before.
    onBack(fn) {
        this.#listeners.back.push(fn);
    }

    // Empties it for a run with these parameters.
    begin(params) {
        const {width, height, tile_w: tileW, tile_h: tileH} = params;
        this.params = params;
        this.#pixels = new Pixels(this.#base, params, this.most);
        this.container.style.aspectRatio = `${width} / ${height}`;
        this.container.style.setProperty('--ratio', width / height);
        this.columns = Math.ceil(width / tileW);
        this.rows = Math.ceil(height / tileH);
        this.#byTask = new Map();
        this.lanes = new Lanes();
        [this.#order, this.#painted] = [[], 0];
        this.#time = this.#marked = null;
        this.#draw();
    }

    #pixels;
    #byTask;

    // counts: the tile's, record.columns to a row.
    add(record, counts) {
        this.#keep(record);
        this.#pixels.keep(record, counts);
        this.#pixels.colour(record, this.#by);
        if (this.#time === null) {
            this.#pixels.paint(record);
            this.#draw();
        }
    }

    // A run that is over, whose counts are not known.
    show(run) {
        this.begin(run.params);
        for (const record of run.records) {
            this.#keep(record);
            this.#pixels.colour(record, this.#by);
            this.#pixels.paint(record);
        }
    }

    // In pixels that are kept.
    get size() {
        return {width: this.#base.width, height: this.#base.height};
    }

    // counts: of size.
    shade(counts) {
        this.#pixels.keepAll(counts);
        this.setColour(this.#by);
    }

    #keep(record) {
        this.#byTask.set(record.task_id, record);
        this.lanes.add(record);
        this.#order.push(record);
    }

    // 'escape' or 'thread'.
    setColour(by) {
        this.#by = by;
        for (const record of this.#order) {
            this.#pixels.colour(record, by);
        }
        if (this.#time === null) {
            this.#pixels.paintAll(true);
        } else {
            this.#order.slice(0, this.#painted).forEach((record) => this.#pixels.paint(record));
        }
        this.#draw();
    }

    // The image as it was then; null: as it is.
    setTime(ns) {
        if (this.#time === null && ns !== null) {
            this.#order.sort((a, b) => endOf(a) - endOf(b));
            this.#painted = this.#order.length;
        }
        this.#time = ns;
        const until = ns ?? Infinity;
        if (ns === null || ns <= 0) {
            this.#pixels.paintAll(ns === null); // tile by tile takes long, of many
            this.#painted = ns === null ? this.#order.length : 0;
        }
        while (this.#painted < this.#order.length && endOf(this.#order[this.#painted]) <= until) {
            this.#pixels.paint(this.#order[this.#painted++]);
        }
        while (this.#painted > 0 && endOf(this.#order[this.#painted - 1]) > until) {
            this.#pixels.erase(this.#order[--this.#painted]);
        }
        this.#draw();
    }

    highlight(record) {
        this.#marked = record;
        this.#draw();
    }

    // ---- What lies over them ----

    #draw() {
        if (!this.#queued) {
            this.#queued = true;
            requestAnimationFrame(() => {
                this.#queued = false;
                this.#drawNow();
            });
        }
    }

    #drawNow() {
        const {clientWidth: width, clientHeight: height} = this.container;
        const ratio = devicePixelRatio;
        this.#over.width = Math.round(width * ratio);
        this.#over.height = Math.round(height * ratio);
        const context = this.#over.getContext('2d');
        context.scale(ratio, ratio);
        this.#scale = width / this.params.width;
        if (this.#time !== null) {
            this.#drawWork(context);
        }
        if (this.#by === 'thread') {
            this.#drawLabels(context);
        }
        if (this.#marked !== null) {
            this.#frame(context, this.#place(this.#marked));
        }
        if (this.#box !== null) {
            const {x, y, width: w, height: h} = this.#box;
            context.fillStyle = 'rgb(255 255 255 / 0.18)';
            context.fillRect(x, y, w, h);
            this.#frame(context, this.#box);
        }
    }

    #scale = 1;

    // In CSS pixels.
    #place(record) {
        const {width, height} = this.params;
        return {
            x: record.tile_x * this.#scale,
            y: record.tile_y * this.#scale,
            width: Math.min(record.tile_w, width - record.tile_x) * this.#scale,
            height: Math.min(record.tile_h, height - record.tile_y) * this.#scale,
        };
    }

    #frame(context, {x, y, width, height}) {
        context.lineWidth = 4;
        context.strokeStyle = this.#theme['mark-edge'];
        context.strokeRect(x, y, width, height);
        context.lineWidth = 2;
        context.strokeStyle = this.#theme.mark;
        context.strokeRect(x, y, width, height);
    }

    // What each thread is at: its colour rises with the time that has gone.
    #drawWork(context) {
        for (let thread = 0; thread < this.lanes.records.length; thread++) {
            const record = this.lanes.at(thread, this.#time);
            if (record === null) {
                continue;
            }
            const place = this.#place(record);
            const {x, y, width, height} = place;
            const done = (this.#time - record.start_time_ns) / Math.max(1, record.duration_ns);
            context.fillStyle = threadColour(thread);
            context.globalAlpha = STILL.matches ? 0.6 : 0.3;
            context.fillRect(x, y, width, height);
            if (!STILL.matches) {
                context.globalAlpha = 0.85;
                context.fillRect(x, y + height * (1 - done), width, height * done);
            }
            context.globalAlpha = 1;
            drawThread(context, record.thread_id, place);
        }
    }

    #drawLabels(context) {
        const shown = this.#time === null ? this.#order.length : this.#painted;
        if (!hasRoom({width: this.params.tile_w * this.#scale, height: this.params.tile_h * this.#scale})) {
            return;
        }
        for (let i = 0; i < shown; i++) {
            drawThread(context, this.#order[i].thread_id, this.#place(this.#order[i]));
        }
    }

    // ---- Pointer and keyboard ----

    #aims() {
        return {
            size: () => ({width: this.params.width * this.#scale, height: this.params.height * this.#scale}),
            hover: (x, y) => this.#hover(x === null ? null : this.#recordAt(x, y)),
            box: (box) => {
                this.#box = box;
                this.#draw();
            },
            // While fingers are on it, it is stretched; what is to be seen is computed when they leave.
            stretch: (change) => {
                this.#base.style.transform = change === null ? ''
                    : `translate(${change.dx}px, ${change.dy}px) scale(${change.scale})`;
            },
            zoom: (part) => this.#zoom(part),
            keys: {
                ArrowRight: () => this.#step(1), ArrowLeft: () => this.#step(-1),
                ArrowDown: () => this.#step(this.columns), ArrowUp: () => this.#step(-this.columns),
                Home: () => this.#step(-Infinity), End: () => this.#step(Infinity),
                '+': () => this.#zoomBy(0.5), '=': () => this.#zoomBy(0.5), '-': () => this.#zoomBy(2),
                Enter: () => this.#marked !== null && this.#zoom(this.#partOf(this.#marked)),
                Escape: () => this.#hover(null), Backspace: () => this.#tell('back'),
            },
        };
    }

    #recordAt(x, y) {
        const task = Math.floor(y / this.#scale / this.params.tile_h) * this.columns
            + Math.floor(x / this.#scale / this.params.tile_w);
        return this.#byTask.get(task) ?? null;
    }

    // part: of what is shown, from 0 to 1.
    #zoom(part) {
        this.#tell('region', partOf(regionOf(this.params), part));
    }

    // About the tile that is marked, or the middle. size: 0.5 is nearer, 2 further.
    #zoomBy(size) {
        const {x, y, width, height} = this.#marked === null ? {x: 0, y: 0, width: 1, height: 1} : this.#partOf(this.#marked);
        this.#zoom({x: x + (width - size) / 2, y: y + (height - size) / 2, width: size, height: size});
    }

    #partOf({tile_x: x, tile_y: y, tile_w: w, tile_h: h}) {
        const {width, height} = this.params;
        return {x: x / width, y: y / height, width: w / width, height: h / height};
    }

    // So many tasks on, at most to the last; from nowhere to the first.
    #step(by) {
        const last = this.columns * this.rows - 1;
        const next = this.#marked === null ? 0 : Math.min(last, Math.max(0, this.#marked.task_id + by));
        this.#hover(this.#byTask.get(next) ?? this.#marked);
    }

    #hover(record) {
        if (record !== this.#marked) {
            this.#tell('hover', record);
        }
    }

    #tell(what, value) {
        for (const fn of this.#listeners[what]) {
            fn(value);
        }
    }
}
