// What pointers, wheels and keys mean on an image: a tile is pointed at, a part of it dragged over, or two fingers stretch it.
import {leavesAll, listenToPinch, press} from './gestures.js';

const DRAG = 6; // CSS pixels that make a drag of a click

export class Aim {
    #drag = null;
    #pinched = false;
    #zooms = false;

    // on: {size(), the image's {width, height}; hover(x, y) or hover(null); box({x, y, width, height}), which is being dragged, or
    // null; stretch({scale, dx, dy}), as gestures.js has it, or null; zoom({x, y, width, height}), parts of the image from 0 to 1;
    // keys: {name: fn}}. The rest is CSS pixels from the element's corner.
    constructor(element, on) {
        this.element = element;
        this.on = on;
        element.addEventListener('pointerdown', (event) => this.#press(event));
        element.addEventListener('pointermove', (event) => this.#move(event));
        element.addEventListener('pointerup', (event) => this.#drop(event));
        element.addEventListener('pointercancel', () => this.#letGo());
        element.addEventListener('pointerleave', (event) => event.pointerType !== 'touch' && on.hover(null)); // a tap lasts
        element.addEventListener('blur', (event) => leavesAll(event) && on.hover(null));
        element.addEventListener('keydown', (event) => {
            if (event.key === 'Escape') {
                this.#letGo();
            }
            press(event, on.keys);
        });
    }

    // Called once: without, drags, fingers and the wheel are the browser's.
    zooms() {
        this.#zooms = true;
        listenToPinch(this.element, {begin: () => this.#pinch(), move: (change) => this.on.stretch(change),
            end: (change) => this.#release(change)});
    }

    #press(event) {
        if (event.button === 0 && event.isPrimary && this.#zooms) {
            this.element.setPointerCapture(event.pointerId);
            this.#drag = {x: event.offsetX, y: event.offsetY, box: null};
        }
    }

    #move({offsetX: x, offsetY: y}) {
        if (this.#pinched) {
            return;
        }
        if (this.#drag === null) {
            this.on.hover(x, y);
            return;
        }
        const [dx, dy] = [x - this.#drag.x, y - this.#drag.y];
        this.#drag.box = Math.hypot(dx, dy) < DRAG ? null : this.#boxOf(dx, dy);
        this.on.box(this.#drag.box);
    }

    // From where the drag began, in the image's own proportion, and within the image.
    #boxOf(dx, dy) {
        const {x, y} = this.#drag;
        const {width: fullWidth, height: fullHeight} = this.on.size();
        const room = Math.min((dx < 0 ? x : fullWidth - x) / fullWidth, (dy < 0 ? y : fullHeight - y) / fullHeight);
        const part = Math.min(room, Math.max(Math.abs(dx) / fullWidth, Math.abs(dy) / fullHeight));
        const [width, height] = [part * fullWidth, part * fullHeight];
        return {x: dx < 0 ? x - width : x, y: dy < 0 ? y - height : y, width, height};
    }

    #letGo() {
        this.#drag = null;
        this.on.box(null);
    }

    #drop({offsetX, offsetY, pointerType}) {
        const box = this.#drag?.box;
        const tapped = pointerType === 'touch' && !this.#pinched;
        this.#letGo();
        if (box && box.width > 0) {
            const {width, height} = this.on.size();
            this.on.zoom({x: box.x / width, y: box.y / height, width: box.width / width, height: box.height / height});
        } else if (tapped) {
            this.on.hover(offsetX, offsetY);
        }
    }

    #pinch() {
        this.#pinched = true;
        this.#letGo();
    }

    #release(change) {
        this.#pinched = false;
        this.on.stretch(null);
        if (change === null || Math.abs(change.scale - 1) < 0.05) {
            return;
        }
        const {scale, dx, dy} = change;
        const {width, height} = this.on.size();
        this.on.zoom({x: -dx / scale / width, y: -dy / scale / height, width: 1 / scale, height: 1 / scale});
    }
}
