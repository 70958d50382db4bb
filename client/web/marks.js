// Words on a canvas: a tile's thread, and the time limit on a timeline.
import {threadColour, threadInk} from './colours.js';
import {duration} from './format.js';

const LABEL = 24; // CSS pixels of a tile that has room for its thread's number

export const hasRoom = ({width, height}) => width >= LABEL && height >= LABEL;

// place: the tile's, {x, y, width, height} in CSS pixels.
export function drawThread(context, thread, place) {
    if (!hasRoom(place)) {
        return;
    }
    const [x, y] = [place.x + place.width / 2, place.y + place.height / 2];
    context.font = '600 11px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = threadColour(thread);
    context.beginPath();
    context.roundRect(x - 10, y - 8, 20, 16, 3);
    context.fill();
    context.fillStyle = threadInk(thread);
    context.fillText(thread, x, y + 0.5);
}

// The limit's words, where they stand: at its line, or at the scale's end where that is further on, with x null. Null: there is
// no limit, or it is before what is shown.
export function limitMark(context, ns, scale) {
    const x = scale.x(ns);
    if (ns <= 0 || x < scale.left) {
        return null;
    }
    const end = scale.right;
    const text = `limit ${duration(ns)}${x > end ? ' →' : ''}`;
    const {width} = context.measureText(text);
    const right = Math.max(Math.min(x + 1, end), scale.left + width);
    return {text, right, left: right - width - 8, x: x > end ? null : x};
}

export const CHANGE = 'begun anew'; // where a server was lost, by another clock

// The words at a change, where it is in what is shown; else null.
export function changeMark(context, ns, scale) {
    const x = scale.x(ns);
    if (x < scale.left || x > scale.right) {
        return null;
    }
    const {width} = context.measureText(CHANGE);
    const right = Math.max(x + 1, scale.left + width);
    return {text: CHANGE, right, left: right - width - 8, x};
}

// From top to bottom, the words above.
export function drawMark(context, mark, {colour, top, bottom}) {
    context.fillStyle = colour;
    context.strokeStyle = colour;
    context.textAlign = 'right';
    context.fillText(mark.text, mark.right, 10);
    if (mark.x !== null) {
        context.setLineDash([4, 3]);
        context.lineWidth = 1.5;
        context.beginPath();
        context.moveTo(mark.x, top);
        context.lineTo(mark.x, bottom);
        context.stroke();
        context.setLineDash([]);
    }
}
