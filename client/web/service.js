// Whether there is a service, as a word at the top of the page.
import * as api from './api.js';

const CALM_MS = 10000;
const LOST_MS = 1000;

export class Service {
    #lost = false;
    #timer = null;

    // recovered() is called when a service that was lost is there again.
    constructor({pill, text, recovered}) {
        Object.assign(this, {pill, text, recovered});
        document.addEventListener('visibilitychange', () => this.#ask());
        this.#ask();
    }

    // Somebody has noticed that it is gone.
    lost(message) {
        this.#lost = true;
        this.#show('lost', 'Lost; trying again', message);
        this.#later(LOST_MS);
    }

    async #ask() {
        if (document.hidden) {
            return;
        }
        clearTimeout(this.#timer);
        try {
            const {message} = await api.health();
            this.#show('serving', 'Serving', message);
            if (this.#lost) {
                this.#lost = false;
                this.recovered();
            }
            this.#later(CALM_MS);
        } catch (error) {
            this.lost(error.message);
        }
    }

    #later(ms) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#ask(), ms);
    }

    #show(state, text, message) {
        this.pill.dataset.state = state;
        this.pill.title = message;
        if (this.text.textContent !== text) {
            this.text.textContent = text;
        }
    }
}
