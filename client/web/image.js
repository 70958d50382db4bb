// The image: each tile as it is finished, by escape count or by thread.
import {threadInk, threadColour, themeColours, onTheme} from './colours.js';
import {endOf} from './format.js';
import {Lanes} from './lanes.js';
import {Pixels} from './pixels.js';

const WHOLE = [-2.5, -1, 3.5, 2]; // re_min, im_min, re_span, im_span
const DRAG = 6; // CSS pixels that make a drag of a click
const LABEL = 24; // CSS pixels of a tile that has room for its thread's number

const STILL = matchMedia('(prefers-reduced-motion: reduce)');

export const regionOf = (params) => params.region ? String(params.region).split(',').map(Number) : WHOLE;

// A part of the region, from (x, y), all from 0 to 1; as the service's parameter.
export function partOf(region, {x, y, width, height}) {
    const [re, im, reSpan, imSpan] = region;
    return [re + x * reSpan, im + y * imSpan, width * reSpan, height * imSpan]
        .map((value) => Number(value.toPrecision(15))).join(',');
}

export class Picture {
    #base = document.createElement('canvas');
    #over = document.createElement('canvas');
    #listeners = {hover: [], region: [], back: []};
    #by = 'escape';
    #time = null;
    #marked = null;
    #drag = null;
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
        this.#listen();
        this.begin({width: 800, height: 600, tile_w: 64, tile_h: 64, max_iter: 256});
    }

    get canvas() {
        return this.#base;
    }

    onHover(fn) {
        this.#listeners.hover.push(fn);
    }

    // fn(region), of what was dragged over.
    onRegion(fn) {
        this.#listeners.region.push(fn);
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
        this.#order = [];
        this.#painted = 0;
        this.#time = null;
        this.#marked = null;
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
        const shown = this.#time === null ? this.#order.length : this.#painted;
        this.#order.slice(0, shown).forEach((record) => this.#pixels.paint(record));
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
        if (this.#drag?.box) {
            const {x, y, width: w, height: h} = this.#drag.box;
            context.fillStyle = 'rgb(255 255 255 / 0.18)';
            context.fillRect(x, y, w, h);
            this.#frame(context, this.#drag.box);
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
            const {x, y, width, height} = this.#place(record);
            const done = (this.#time - record.start_time_ns) / Math.max(1, record.duration_ns);
            context.fillStyle = threadColour(thread);
            context.globalAlpha = STILL.matches ? 0.6 : 0.3;
            context.fillRect(x, y, width, height);
            if (!STILL.matches) {
                context.globalAlpha = 0.85;
                context.fillRect(x, y + height * (1 - done), width, height * done);
            }
            context.globalAlpha = 1;
            this.#label(context, record);
        }
    }

    #drawLabels(context) {
        const shown = this.#time === null ? this.#order.length : this.#painted;
        if (this.params.tile_w * this.#scale < LABEL || this.params.tile_h * this.#scale < LABEL) {
            return;
        }
        for (let i = 0; i < shown; i++) {
            this.#label(context, this.#order[i]);
        }
    }

    #label(context, record) {
        const {x, y, width, height} = this.#place(record);
        if (width < LABEL || height < LABEL) {
            return;
        }
        context.font = '600 11px system-ui, sans-serif';
        context.textAlign = 'center';
        context.textBaseline = 'middle';
        context.fillStyle = threadColour(record.thread_id);
        context.beginPath();
        context.roundRect(x + width / 2 - 10, y + height / 2 - 8, 20, 16, 3);
        context.fill();
        context.fillStyle = threadInk(record.thread_id);
        context.fillText(record.thread_id, x + width / 2, y + height / 2 + 0.5);
    }

    // ---- Pointer and keyboard ----

    #listen() {
        const over = this.#over;
        over.addEventListener('pointerdown', (event) => {
            if (event.button === 0 && this.#listeners.region.length > 0) {
                over.setPointerCapture(event.pointerId);
                this.#drag = {x: event.offsetX, y: event.offsetY, box: null};
            }
        });
        over.addEventListener('pointermove', (event) => this.#move(event));
        over.addEventListener('pointerup', () => this.#drop());
        over.addEventListener('pointercancel', () => this.#letGo());
        over.addEventListener('pointerleave', () => this.#hover(null));
        over.addEventListener('blur', () => this.#hover(null));
        over.addEventListener('keydown', (event) => this.#key(event));
    }

    #move(event) {
        const {offsetX: x, offsetY: y} = event;
        if (this.#drag === null) {
            const task = Math.floor(y / this.#scale / this.params.tile_h) * this.columns
                + Math.floor(x / this.#scale / this.params.tile_w);
            this.#hover(this.#byTask.get(task) ?? null);
            return;
        }
        const [dx, dy] = [x - this.#drag.x, y - this.#drag.y];
        this.#drag.box = Math.hypot(dx, dy) < DRAG ? null : this.#boxOf(dx, dy);
        this.#draw();
    }

    // From where the drag began, in the image's own proportion, and within the image.
    #boxOf(dx, dy) {
        const {x, y} = this.#drag;
        const [fullWidth, fullHeight] = [this.params.width * this.#scale, this.params.height * this.#scale];
        const room = Math.min((dx < 0 ? x : fullWidth - x) / fullWidth, (dy < 0 ? y : fullHeight - y) / fullHeight);
        const part = Math.min(room, Math.max(Math.abs(dx) / fullWidth, Math.abs(dy) / fullHeight));
        const [width, height] = [part * fullWidth, part * fullHeight];
        return {x: dx < 0 ? x - width : x, y: dy < 0 ? y - height : y, width, height};
    }

    #letGo() {
        this.#drag = null;
        this.#draw();
    }

    #drop() {
        const box = this.#drag?.box;
        this.#letGo();
        if (box && box.width > 0) {
            const [width, height] = [this.params.width * this.#scale, this.params.height * this.#scale];
            this.#tell('region', partOf(regionOf(this.params), {
                x: box.x / width, y: box.y / height, width: box.width / width, height: box.height / height,
            }));
        }
    }

    #hover(record) {
        if (record !== this.#marked) {
            this.#tell('hover', record);
        }
    }

    #key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        const task = this.#marked?.task_id ?? -1;
        const last = this.columns * this.rows - 1;
        const there = {ArrowRight: task + 1, ArrowLeft: task - 1, ArrowDown: task + this.columns,
            ArrowUp: task - this.columns, Home: 0, End: last};
        if (event.key in there) {
            const next = task < 0 ? 0 : Math.min(last, Math.max(0, there[event.key]));
            this.#hover(this.#byTask.get(next) ?? this.#marked);
        } else if (event.key === 'Enter' && this.#marked !== null) {
            const {tile_x: x, tile_y: y, tile_w: w, tile_h: h} = this.#marked;
            const {width, height} = this.params;
            this.#tell('region', partOf(regionOf(this.params),
                {x: x / width, y: y / height, width: w / width, height: h / height}));
        } else if (event.key === 'Escape' && this.#drag !== null) {
            this.#letGo();
        } else if (event.key === 'Backspace') {
            this.#tell('back');
        } else {
            return;
        }
        event.preventDefault();
    }

    #tell(what, value) {
        for (const fn of this.#listeners[what]) {
            fn(value);
        }
    }
}
