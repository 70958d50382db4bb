// Which times lie where, of a timeline that may be zoomed.
const LEAST_NS = 100; // that can be seen at once

export class Scale {
    whole = 1; // ns
    width = 10; // CSS pixels
    #view = null; // {from, to} in ns; null: all

    // left: where it begins, in CSS pixels.
    constructor(left) {
        this.left = left;
    }

    get right() {
        return this.left + this.width;
    }

    get isWhole() {
        return this.#view === null;
    }

    range() {
        return this.#view ?? {from: 0, to: this.whole};
    }

    x(ns) {
        const {from, to} = this.range();
        return this.left + (ns - from) / (to - from) * this.width;
    }

    ns(x) {
        const {from, to} = this.range();
        return from + (x - this.left) / this.width * (to - from);
    }

    look(from, span) {
        from = Math.min(Math.max(0, from), Math.max(0, this.whole - span));
        this.#view = span >= this.whole ? null : {from, to: from + span};
    }

    // at: the ns that stay where they are.
    zoom(factor, at) {
        const {from, to} = this.range();
        const part = Math.min(1, Math.max(0, (at - from) / (to - from)));
        const span = Math.max(LEAST_NS, (to - from) / factor);
        this.look(at - part * span, span);
    }

    fit() {
        this.#view = null;
    }
}
