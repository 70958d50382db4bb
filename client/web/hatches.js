// Oblique lines, as a pattern to fill with.

function tile(colour, size) {
    const canvas = new OffscreenCanvas(size, size);
    const ink = canvas.getContext('2d');
    ink.strokeStyle = colour;
    ink.beginPath();
    ink.moveTo(-1, size + 1);
    ink.lineTo(size + 1, -1);
    ink.moveTo(-1, 1);
    ink.lineTo(1, -1);
    ink.moveTo(size - 1, size + 1);
    ink.lineTo(size + 1, size - 1);
    ink.stroke();
    return canvas;
}

export class Hatches {
    #made = new Map(); // by colour and size

    // size: from one line to the next, in CSS pixels.
    of(context, colour, size) {
        const key = `${colour} ${size}`;
        if (!this.#made.has(key)) {
            this.#made.set(key, context.createPattern(tile(colour, size), 'repeat'));
        }
        return this.#made.get(key);
    }
}
