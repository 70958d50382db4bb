// Whether there is a service, as a word at the top of the page.
import * as api from './api.js';

const CALM_MS = 10000;
const LOST_MS = 1000;
const PATIENCE_MS = 10000; // with one that takes the question and does not answer

export class Service {
    #lostAt = null; // ms, of performance.now(); null: it is not
    #timer = null;
    #asked = 0;

    // recovered(lostAt) is called when a service that was lost, at that time, is there again.
    constructor({pill, text, recovered}) {
        Object.assign(this, {pill, text, recovered});
        document.addEventListener('visibilitychange', () => this.#ask());
        window.addEventListener('online', () => this.#ask());
        this.#ask();
    }

    // Somebody has noticed that it is gone.
    lost(message) {
        this.#asked++; // what was asked before says nothing
        this.#lostAt ??= performance.now();
        this.#show('lost', {text: 'Lost', more: '; trying again'}, message);
        this.#later(LOST_MS);
    }

    async #ask() {
        if (document.hidden) {
            return;
        }
        clearTimeout(this.#timer);
        const question = ++this.#asked;
        let answer, trouble = null;
        try {
            answer = await api.health({signal: AbortSignal.timeout(PATIENCE_MS)});
        } catch (error) {
            trouble = error;
        }
        if (question !== this.#asked) {
            return;
        }
        if (trouble !== null) {
            this.lost(trouble.message);
            return;
        }
        this.#show('serving', {text: 'Serving', more: ''}, answer.message);
        this.#later(CALM_MS);
        if (this.#lostAt !== null) {
            const lostAt = this.#lostAt;
            this.#lostAt = null;
            this.recovered(lostAt);
        }
    }

    #later(ms) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#ask(), ms);
    }

    // more: what a phone has no room for.
    #show(state, {text, more}, message) {
        this.pill.dataset.state = state;
        this.pill.title = message;
        if (this.text.textContent !== text + more) {
            const roomy = document.createElement('span');
            roomy.className = 'roomy';
            roomy.textContent = more;
            this.text.replaceChildren(text, roomy);
        }
    }
}
