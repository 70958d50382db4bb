// What pointers, wheels and keys mean on a timeline.

// One finger pans, two zoom, and on the axis either seeks.
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
        this.#held.set(event.pointerId, {x: event.offsetX, seeks});
        if (seeks) {
            this.on.seek(event.offsetX);
        }
    }

    move({pointerId, offsetX: x, offsetY: y}) {
        const held = this.#held.get(pointerId);
        const other = [...this.#held].find(([id]) => id !== pointerId)?.[1];
        if (held === undefined) {
            this.on.hover(x, y);
        } else if (held.seeks) {
            this.on.seek(x);
        } else if (other === undefined) {
            this.on.pan(held.x - x);
        } else {
            this.on.zoom(Math.max(8, Math.abs(x - other.x)) / Math.max(8, Math.abs(held.x - other.x)), other.x);
        }
        if (held !== undefined) {
            held.x = x;
        }
    }

    release(event) {
        this.#held.delete(event.pointerId);
    }
}

// The wheel alone is the page's own.
function wheel(event, on) {
    if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        on.zoom(Math.exp(-event.deltaY / 200), event.offsetX);
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        on.pan(event.deltaX || event.deltaY);
    }
}

// on: {isAxis(y), seek(x), hover(x, y) or hover(null), pan(pixels), zoom(factor, x), twice(), keys: {name: fn}}; x and y are
// CSS pixels from the element's corner.
export function listenTo(element, on) {
    const pointers = new Pointers(on);
    element.addEventListener('pointerdown', (event) => pointers.press(event));
    element.addEventListener('pointermove', (event) => pointers.move(event));
    element.addEventListener('pointerup', (event) => pointers.release(event));
    element.addEventListener('pointercancel', (event) => pointers.release(event));
    element.addEventListener('pointerleave', () => on.hover(null));
    element.addEventListener('blur', () => on.hover(null));
    element.addEventListener('dblclick', () => on.twice());
    element.addEventListener('wheel', (event) => wheel(event, on), {passive: false});
    element.addEventListener('keydown', (event) => {
        if (!event.ctrlKey && !event.metaKey && !event.altKey && event.key in on.keys) {
            event.preventDefault();
            on.keys[event.key]();
        }
    });
}
