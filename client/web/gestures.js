// What pointers, wheels and keys mean on a timeline, and two fingers on an image.
const SLOP = 6; // CSS pixels that make a drag of a tap
const REST_MS = 250; // of a wheel that has been turned

// Two fingers are the element's own; one may scroll the page.
function keepTwoFingers(element) {
    for (const name of ['touchstart', 'touchmove']) {
        element.addEventListener(name, (event) => {
            if (event.touches.length > 1 && event.cancelable) {
                event.preventDefault();
            }
        }, {passive: false});
    }
}

// One that goes from one such element to another leaves the mark to that one.
export const leavesAll = (event) => event.relatedTarget?.getAttribute('role') !== 'application';

// One finger pans, two zoom, on the axis either seeks, and a tap points.
class Pointers {
    #held = new Map();

    constructor(on) {
        this.on = on;
    }

    press(event) {
        if (event.button !== 0) {
            return;
        }
        const seeks = this.on.isAxis(event.offsetY);
        event.target.setPointerCapture(event.pointerId);
        this.#held.set(event.pointerId, {x: event.offsetX, seeks, moved: this.#held.size > 0});
        if (seeks) {
            this.on.seek(event.offsetX);
        }
    }

    move({pointerId, offsetX: x, offsetY: y}) {
        const held = this.#held.get(pointerId);
        const other = [...this.#held].find(([id]) => id !== pointerId)?.[1];
        if (held === undefined) {
            this.on.hover(x, y);
            return;
        }
        held.moved ||= Math.abs(x - held.x) > SLOP;
        if (held.seeks) {
            this.on.seek(x);
        } else if (other !== undefined) {
            this.on.zoom(Math.max(8, Math.abs(x - other.x)) / Math.max(8, Math.abs(held.x - other.x)), other.x);
        } else if (held.moved) {
            this.on.pan(held.x - x);
        } else {
            return; // it may be a tap
        }
        held.x = x;
    }

    release({pointerId, offsetX: x, offsetY: y}) {
        const held = this.#held.get(pointerId);
        this.#held.delete(pointerId);
        if (held !== undefined && !held.moved && !held.seeks) {
            this.on.hover(x, y);
        }
    }

    cancel({pointerId}) {
        this.#held.delete(pointerId);
    }
}

// Ctrl and the wheel, which is also how a browser tells of two fingers on a touchpad. The wheel alone is the page's own.
const zooms = (event) => event.ctrlKey || event.metaKey;
const nearer = (event) => Math.exp(-event.deltaY / 200);

function wheel(event, on) {
    if (zooms(event)) {
        event.preventDefault();
        on.zoom(nearer(event), event.offsetX);
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        on.pan(event.deltaX || event.deltaY);
    }
}

// keys: {name: fn}
export function press(event, keys) {
    const name = event.shiftKey && event.key.startsWith('Arrow') ? `Shift+${event.key}` : event.key;
    if (!event.ctrlKey && !event.metaKey && !event.altKey && name in keys) {
        event.preventDefault();
        keys[name]();
    }
}

// on: {isAxis(y), seek(x), hover(x, y) or hover(null), pan(pixels), zoom(factor, x), twice(), keys: {name: fn}}; x and y are
// CSS pixels from the element's corner.
export function listenTo(element, on) {
    const pointers = new Pointers(on);
    keepTwoFingers(element);
    element.addEventListener('pointerdown', (event) => pointers.press(event));
    element.addEventListener('pointermove', (event) => pointers.move(event));
    element.addEventListener('pointerup', (event) => pointers.release(event));
    element.addEventListener('pointercancel', (event) => pointers.cancel(event));
    element.addEventListener('pointerleave', (event) => event.pointerType !== 'touch' && on.hover(null)); // a tap lasts
    element.addEventListener('blur', (event) => leavesAll(event) && on.hover(null));
    element.addEventListener('dblclick', () => on.twice());
    element.addEventListener('wheel', (event) => wheel(event, on), {passive: false});
    element.addEventListener('keydown', (event) => press(event, on.keys));
}

// As two fingers, which leave when it rests.
function listenToWheel(element, on) {
    let change = null;
    let timer;
    element.addEventListener('wheel', (event) => {
        if (!zooms(event)) {
            return;
        }
        event.preventDefault();
        if (change === null) {
            change = {scale: 1, dx: 0, dy: 0};
            on.begin();
        }
        const [factor, {offsetX: x, offsetY: y}] = [nearer(event), event];
        change = {scale: change.scale * factor, dx: x - factor * (x - change.dx), dy: y - factor * (y - change.dy)};
        on.move(change);
        clearTimeout(timer);
        timer = setTimeout(() => {
            on.end(change);
            change = null;
        }, REST_MS);
    }, {passive: false});
}

// on: {begin(), move(change), end(change)}: the fingers, or Ctrl and the wheel, take what is at (x, y) to (scale x + dx,
// scale y + dy), in CSS pixels; null at the end: it came to nothing.
export function listenToPinch(element, on) {
    const held = new Map(); // by pointer: where it is
    let from = null; // where both were
    const between = () => {
        const [a, b] = held.values();
        return {x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.max(8, Math.hypot(a.x - b.x, a.y - b.y))};
    };
    const change = () => {
        const to = between();
        const scale = to.apart / from.apart;
        return {scale, dx: to.x - scale * from.x, dy: to.y - scale * from.y};
    };
    const leave = (event, whole) => {
        if (from !== null && held.has(event.pointerId)) {
            on.end(whole ? change() : null);
            from = null;
        }
        held.delete(event.pointerId);
    };
    keepTwoFingers(element);
    listenToWheel(element, on);
    element.addEventListener('pointerdown', (event) => {
        if (event.pointerType === 'touch' && held.size < 2) {
            held.set(event.pointerId, {x: event.offsetX, y: event.offsetY});
            if (held.size === 2) {
                from = between();
                on.begin();
            }
        }
    });
    element.addEventListener('pointermove', (event) => {
        if (held.has(event.pointerId)) {
            held.set(event.pointerId, {x: event.offsetX, y: event.offsetY});
            if (from !== null) {
                on.move(change());
            }
        }
    });
    element.addEventListener('pointerup', (event) => leave(event, true));
    element.addEventListener('pointercancel', (event) => leave(event, false));
}
