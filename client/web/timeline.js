// A run's timeline: a lane for each thread.
export class Timeline {
    constructor(container, options = {}) {
        this.container = container;
        this.options = options;
    }

    // {records, summary, threads, timeLimitNs}, as api.js gives it.
    show(run) {
        this.run = run;
    }

    setTime(ns) {
        this.time = ns;
    }

    onHover(fn) {
        this.hover = fn;
    }

    highlight(record) {
        this.highlighted = record;
    }
}
