// One run, as its tiles come.
import * as api from './api.js';

// What ended a run that had begun; a server that went, or a new one in its place that does not know the run.
function failed({error: message, code}) {
    const error = new api.ApiError(code === 'UNAVAILABLE' ? 503 : 500, message);
    error.runLost = code === 'UNAVAILABLE' || code === 'NOT_FOUND';
    return error;
}

export class LiveRun {
    #abort = new AbortController();
    #id = null;

    // handlers: {begun(run), tile(record, counts), lost(error), back()}. run is {params, records, summary, threads, timeLimitNs,
    // planned}, and grows.
    constructor(params, handlers) {
        this.params = params;
        this.handlers = handlers;
    }

    // The run, when it is over; throws what ended it before.
    async read() {
        let failure = null;
        let lost = false;
        await api.stream(this.params, {
            signal: this.#abort.signal,
            onEvent: (event) => {
                if (event.event === 'lost') {
                    lost = true;
                    this.handlers.lost(event.error);
                    return undefined;
                }
                if (lost) {
                    lost = false;
                    this.handlers.back();
                }
                if (event.event === 'failure') {
                    failure = event;
                }
                return this.#take(event);
            },
        });
        if (failure !== null) {
            throw failed(failure);
        }
        if (!this.run?.summary) {
            throw new api.ApiError(500, 'The run ended without its summary.');
        }
        return this.run;
    }

    // Ends it at the server; read() throws then.
    async stop() {
        if (this.#id === null) {
            this.#abort.abort();
            return;
        }
        await api.cancel(this.#id).catch(() => this.#abort.abort());
    }

    // The page goes away: it ends at once, here and at the server.
    leave() {
        if (this.#id !== null) {
            api.cancel(this.#id).catch(() => {});
            this.#id = null;
        }
        this.#abort.abort();
    }

    #take(event) {
        if (event.event === 'run') {
            this.#id = event.run;
            this.run = {
                params: {...this.params, ...event.params}, records: [], summary: null, threads: 1,
                timeLimitNs: event.params.time_limit_ms * 1e6, planned: event.tiles_planned,
            };
            this.handlers.begun(this.run);
        } else if (event.event === 'tile') {
            const {event: _, id: __, data, ...record} = event;
            this.run.records.push(record);
            this.run.threads = Math.max(this.run.threads, record.thread_id + 1);
            this.handlers.tile(record, api.decodeCounts(data));
        } else if (event.event === 'summary') {
            const {event: _, id: __, ...summary} = event;
            this.run.summary = summary;
            this.run.threads = Math.max(1, summary.threads.length);
        }
    }
}
