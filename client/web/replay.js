// A run again, slowly: a clock that goes through its nanoseconds.
import {duration} from './format.js';

const WATCHED_MS = 6000; // what a whole run takes, until another speed is chosen
const STEPS = 1000; // of the scrubber

// How many times slower than it was, in words.
function slowness(speed) {
    const times = speed < 1 ? 1 / speed : speed;
    const text = times >= 100 ? Math.round(times).toLocaleString('en') : times.toFixed(times >= 10 ? 0 : 1);
    return Math.abs(times - 1) < 0.05 ? 'as fast as it was' : `${text} × ${speed < 1 ? 'slower' : 'faster'}`;
}

export class Replay {
    #listeners = [];
    #durationNs = 0;
    #time = null; // ns; null: all of the run is shown
    #frame = null;
    #speed = 1; // ns of the run to a ns of the clock
    #chosen = false;

    // {play, restart, scrubber, speed, speedText, clock}, elements: two buttons, two sliders, two texts. What these say, the
    // sliders tell who cannot see it: as live regions the texts would be read aloud in every frame.
    constructor(elements, {label = 'Replay'} = {}) {
        this.elements = elements;
        this.label = label;
        elements.scrubber.max = STEPS;
        elements.play.addEventListener('click', () => this.#frame === null ? this.play() : this.pause());
        elements.restart.addEventListener('click', () => this.reset());
        elements.scrubber.addEventListener('input', () => {
            this.pause();
            this.seek(elements.scrubber.value / STEPS * this.#durationNs);
        });
        elements.speed.addEventListener('input', () => {
            this.#chosen = true;
            this.#setSpeed(10 ** elements.speed.value);
        });
        this.load(0);
    }

    // fn(ns or null)
    onTime(fn) {
        this.#listeners.push(fn);
    }

    // A run that took so long; 0: there is none.
    load(durationNs) {
        this.pause();
        this.#durationNs = durationNs;
        for (const control of [this.elements.play, this.elements.restart, this.elements.scrubber]) {
            control.disabled = durationNs <= 0;
        }
        if (durationNs > 0 && !this.#chosen) {
            this.#setSpeed(Math.min(1, durationNs / 1e6 / WATCHED_MS));
        }
        this.#show(null);
    }

    play() {
        if (this.#durationNs <= 0) {
            return;
        }
        let last = null;
        this.#time = this.#time === null || this.#time >= this.#durationNs ? 0 : this.#time;
        this.#label(true);
        const tick = (now) => {
            const gone = last === null ? 0 : (now - last) * 1e6 * this.#speed;
            last = now;
            if (this.#time + gone >= this.#durationNs) {
                this.pause();
                this.#show(null);
                return;
            }
            this.#frame = requestAnimationFrame(tick);
            this.#show(this.#time + gone);
        };
        this.#frame = requestAnimationFrame(tick);
    }

    pause() {
        cancelAnimationFrame(this.#frame);
        this.#frame = null;
        this.#label(false);
    }

    seek(ns) {
        this.#show(Math.min(this.#durationNs, Math.max(0, ns)));
    }

    // All of the run again.
    reset() {
        this.pause();
        this.#show(null);
    }

    #setSpeed(speed) {
        this.#speed = speed;
        this.elements.speed.value = Math.log10(speed);
        this.elements.speedText.textContent = slowness(speed);
        this.elements.speed.setAttribute('aria-valuetext', slowness(speed));
    }

    #label(playing) {
        this.elements.play.textContent = playing ? 'Pause' : this.label;
        this.elements.play.dataset.playing = playing;
    }

    #show(ns) {
        this.#time = ns;
        const shown = ns ?? this.#durationNs;
        const text = this.#durationNs > 0 ? `${duration(shown)} of ${duration(this.#durationNs)}` : '';
        this.elements.scrubber.value = this.#durationNs > 0 ? shown / this.#durationNs * STEPS : 0;
        this.elements.scrubber.setAttribute('aria-valuetext', text);
        this.elements.clock.textContent = text;
        for (const fn of this.#listeners) {
            fn(ns);
        }
    }
}
