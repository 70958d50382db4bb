// A canvas of escape counts.
import {escapePalette, lightnesses, threadRgb} from './colours.js';

// A larger image is shown at every second, third, ... pixel.
const MOST_PIXELS = 1 << 23;

const rgba = ([red, green, blue]) => new Uint32Array(new Uint8ClampedArray([red, green, blue, 255]).buffer)[0];

export class Pixels {
    #context;
    #image;
    #words; // the image's
    #counts;
    #escape;
    #lightness;

    // Empties the canvas. most: how many pixels it may have.
    constructor(canvas, params, most = MOST_PIXELS) {
        const {width, height, max_iter: maxIter} = params;
        this.params = params;
        this.step = Math.max(1, Math.ceil(Math.sqrt(width * height / most)));
        canvas.width = this.width = Math.ceil(width / this.step);
        canvas.height = this.height = Math.ceil(height / this.step);
        this.#context = canvas.getContext('2d');
        this.#image = this.#context.createImageData(this.width, this.height);
        this.#words = new Uint32Array(this.#image.data.buffer);
        this.#counts = new Uint16Array(this.#words.length);
        this.#escape = Uint32Array.from(escapePalette(maxIter), rgba);
        this.#lightness = lightnesses(maxIter);
    }

    // counts: the tile's, record.columns to a row.
    keep(record, counts) {
        const box = this.#box(record);
        for (let y = box.top; y < box.top + box.height; y++) {
            const row = (y * this.step - record.tile_y) * record.columns - record.tile_x;
            for (let x = box.left; x < box.left + box.width; x++) {
                this.#counts[y * this.width + x] = counts[row + x * this.step];
            }
        }
    }

    // All counts at once, of the canvas's own size.
    keepAll(counts) {
        this.#counts.set(counts);
    }

    // by: 'escape' or 'thread'. To be seen when it is painted.
    colour(record, by) {
        const box = this.#box(record);
        const colours = by === 'escape' ? this.#escape : this.#coloursOf(record.thread_id);
        for (let y = box.top; y < box.top + box.height; y++) {
            for (let i = y * this.width + box.left, end = i + box.width; i < end; i++) {
                this.#words[i] = colours[this.#counts[i]];
            }
        }
    }

    paint(record) {
        const box = this.#box(record);
        if (box.width > 0 && box.height > 0) {
            this.#context.putImageData(this.#image, 0, 0, box.left, box.top, box.width, box.height);
        }
    }

    // Whatever has been coloured, or nothing.
    paintAll(all) {
        if (all) {
            this.#context.putImageData(this.#image, 0, 0);
        } else {
            this.#context.clearRect(0, 0, this.width, this.height);
        }
    }

    erase(record) {
        const box = this.#box(record);
        this.#context.clearRect(box.left, box.top, box.width, box.height);
    }

    #byThread = [];

    #coloursOf(thread) {
        const full = threadRgb(thread);
        this.#byThread[thread] ??= Uint32Array.from(this.#lightness,
            (part) => rgba(full.map((value) => Math.floor(value * part / 255))));
        return this.#byThread[thread];
    }

    // On the canvas.
    #box(record) {
        const {width, height} = this.params;
        const [left, top] = [Math.ceil(record.tile_x / this.step), Math.ceil(record.tile_y / this.step)];
        const right = Math.ceil(Math.min(record.tile_x + record.tile_w, width) / this.step);
        const bottom = Math.ceil(Math.min(record.tile_y + record.tile_h, height) / this.step);
        return {left, top, width: right - left, height: bottom - top};
    }
}
