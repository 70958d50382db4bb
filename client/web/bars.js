// A timeline's lanes: a thread's tiles as bars, what is idle between them hatched, and how much it was busy.
import {threadColour, threadInk, isHatched} from './colours.js';
import {percent, endOf} from './format.js';
import {Hatches} from './hatches.js';

export const BUSY = 54; // CSS pixels right of the scale
const LABEL = 26; // of a bar that has room for its task's number

const hatches = new Hatches();

export class Bars {
    // Of one frame. {run, lanes, scale, theme, time, height}: as the timeline has them, and a lane's height in CSS pixels.
    constructor(context, frame) {
        Object.assign(this, frame, {context});
    }

    // Whether a thread without a tile is idle: a new attempt may make a tile again, which does not come twice.
    get known() {
        return this.run !== null && this.run.changes.length === 0;
    }

    // At a y, from its top on.
    draw(thread, y) {
        const {context, height} = this;
        const over = Boolean(this.run?.summary);
        const last = this.lanes.records[thread].at(-1);
        // Of a run that is not over it is not known yet whether a thread is idle after its last bar.
        const wall = !this.known ? 0 : over ? this.run.wallNs : last === undefined ? 0 : endOf(last);
        const [left, right] = [Math.max(this.scale.left, this.scale.x(0)), Math.min(this.scale.right, this.scale.x(wall))];
        context.fillStyle = this.theme.lane;
        context.fillRect(this.scale.left, y, this.scale.width, height);
        if (right > left) {
            context.fillStyle = hatches.of(context, this.theme.hatch, 7);
            context.fillRect(left, y, right - left, height);
        }
        context.fillStyle = this.theme.text;
        if (height >= 9 || thread % 8 === 0) {
            context.textAlign = 'left';
            context.fillText(height >= 13 ? `thread ${thread}` : `${thread}`, 0, y + height / 2);
        }
        if (height >= 9 && over && wall > 0) {
            context.textAlign = 'right';
            context.fillStyle = this.theme.muted;
            context.fillText(percent(this.lanes.busyNs[thread] / wall), this.scale.right + BUSY - 4, y + height / 2);
        }
        this.#drawBars(thread, y);
    }

    // At most one bar a pixel: where there are more, what lies between them cannot be seen.
    #drawBars(thread, y) {
        const {from, to} = this.scale.range();
        const records = this.lanes.records[thread];
        const perPixel = (to - from) / this.scale.width;
        const hatch = isHatched(thread) ? hatches.of(this.context, threadInk(thread), 5) : null;
        let i = this.lanes.from(thread, from);
        while (i < records.length && records[i].start_time_ns <= to) {
            const record = records[i];
            const left = Math.max(this.scale.left, this.scale.x(record.start_time_ns));
            const right = Math.min(this.scale.right, this.scale.x(endOf(record)));
            this.#drawBar({thread, record, y, left, width: right - left, hatch});
            i = record.duration_ns < perPixel ? Math.max(i + 1, this.lanes.from(thread, endOf(record) + perPixel / 2)) : i + 1;
        }
    }

    #drawBar({thread, record, y, left, width, hatch}) {
        const {context, height} = this;
        const whole = Math.max(1, width > 4 ? width - 1 : width);
        context.fillStyle = this.theme.panel;
        context.fillRect(left, y, Math.max(1, width), height);
        const done = this.time === null ? whole
            : Math.min(whole, Math.max(0, this.scale.x(this.time) - left));
        context.fillStyle = threadColour(thread);
        context.globalAlpha = 0.28;
        context.fillRect(left, y, whole, height);
        context.globalAlpha = 1;
        context.fillRect(left, y, done, height);
        if (hatch !== null && width > 4) {
            context.globalAlpha = 0.45;
            context.fillStyle = hatch;
            context.fillRect(left, y, done, height);
            context.globalAlpha = 1;
        }
        if (width > LABEL && height >= 13 && done > width / 2 + 8) {
            context.textAlign = 'center';
            context.fillStyle = threadInk(thread);
            context.fillText(record.task_id, left + width / 2, y + height / 2 + 0.5);
        }
    }
}
