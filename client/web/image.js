// The image: each tile as it is finished, by escape count or by thread.
import {threadColour, themeColours, onTheme} from './colours.js';
import {endOf} from './format.js';
import {leavesAll, listenToPinch} from './gestures.js';
import {Lanes} from './lanes.js';
import {drawThread, hasRoom} from './marks.js';
import {Pixels} from './pixels.js';
import {partOf, regionOf} from './region.js';

const DRAG = 6; // CSS pixels that make a drag of a click

const STILL = matchMedia('(prefers-reduced-motion: reduce)');

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

    // fn(region), of what was dragged over. Called once: a picture of which nobody asks that leaves fingers and wheel alone.
    onRegion(fn) {
        this.#listeners.region.push(fn);
        this.#over.classList.add('zooms');
        listenToPinch(this.#over, {begin: () => this.#pinch(), move: (change) => this.#stretch(change),
            end: (change) => this.#release(change)});
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

    #listen() {
        const over = this.#over;
        over.addEventListener('pointerdown', (event) => {
            if (event.button === 0 && event.isPrimary && this.#listeners.region.length > 0) {
                over.setPointerCapture(event.pointerId);
                this.#drag = {x: event.offsetX, y: event.offsetY, box: null};
            }
        });
        over.addEventListener('pointermove', (event) => this.#move(event));
        over.addEventListener('pointerup', (event) => this.#drop(event));
        over.addEventListener('pointercancel', () => this.#letGo());
        over.addEventListener('pointerleave', (event) => event.pointerType !== 'touch' && this.#hover(null)); // a tap lasts
        over.addEventListener('blur', (event) => leavesAll(event) && this.#hover(null));
        over.addEventListener('keydown', (event) => this.#key(event));
    }

    #move(event) {
        const {offsetX: x, offsetY: y} = event;
        if (this.#pinched) {
            return;
        }
        if (this.#drag === null) {
            this.#hover(this.#recordAt(x, y));
            return;
        }
        const [dx, dy] = [x - this.#drag.x, y - this.#drag.y];
        this.#drag.box = Math.hypot(dx, dy) < DRAG ? null : this.#boxOf(dx, dy);
        this.#draw();
    }

    #recordAt(x, y) {
        const task = Math.floor(y / this.#scale / this.params.tile_h) * this.columns
            + Math.floor(x / this.#scale / this.params.tile_w);
        return this.#byTask.get(task) ?? null;
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

    #drop({offsetX, offsetY, pointerType}) {
        const box = this.#drag?.box;
        const tapped = pointerType === 'touch' && !this.#pinched;
        this.#letGo();
        if (box && box.width > 0) {
            const [width, height] = [this.params.width * this.#scale, this.params.height * this.#scale];
            this.#zoom({x: box.x / width, y: box.y / height, width: box.width / width, height: box.height / height});
        } else if (tapped) {
            this.#hover(this.#recordAt(offsetX, offsetY));
        }
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

    #pinched = false;

    #pinch() {
        this.#pinched = true;
        this.#letGo();
    }

    // While fingers are on it, it is stretched; what is to be seen is computed when they leave.
    #stretch({scale, dx, dy}) {
        this.#base.style.transform = `translate(${dx}px, ${dy}px) scale(${scale})`;
    }

    #release(change) {
        this.#pinched = false;
        this.#base.style.transform = '';
        if (change === null || Math.abs(change.scale - 1) < 0.05) {
            return;
        }
        const {scale, dx, dy} = change;
        const [width, height] = [this.params.width * this.#scale, this.params.height * this.#scale];
        this.#zoom({x: -dx / scale / width, y: -dy / scale / height, width: 1 / scale, height: 1 / scale});
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
            this.#zoom(this.#partOf(this.#marked));
        } else if (event.key === '+' || event.key === '=') {
            this.#zoomBy(0.5);
        } else if (event.key === '-') {
            this.#zoomBy(2);
        } else if (event.key === 'Escape') {
            this.#letGo();
            this.#hover(null);
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
