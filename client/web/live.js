// One run, as its tiles come.
import * as api from './api.js';
import {endOf} from './format.js';

const ASK_MS = 500; // for the queue

// What ended a run that had begun; a server that went, or a new one in its place that does not know the run.
function failed({error: message, code}) {
    const error = new api.ApiError(code === 'UNAVAILABLE' ? 503 : 500, message);
    error.runLost = code === 'UNAVAILABLE' || code === 'NOT_FOUND';
    return error;
}

export class LiveRun {
    #abort = new AbortController();
    #id = null;
    #attempt = null; // that the last tile was of

    // handlers: {begun(run), queued(count), tile(record, counts), lost(error), back()}. queued: with the first tile it is over, or
    // with a count of 0; so many runs wait for threads at the service, and this may be one of them. run is {params, records, summary, threads, timeLimitNs,
    // wallNs, planned, changes}, and grows. changes: where a server was lost and the rest was made anew, by another clock, which
    // no one can tell the distance of: the attempts stand one after the other, and these are the ns from which later ones do.
    // Records have them in start_time_ns, and by themselves in since_ns.
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
                params: {...this.params, ...event.params}, records: [], summary: null, threads: 1, wallNs: 0,
                timeLimitNs: event.params.time_limit_ms * 1e6, planned: event.tiles_planned, changes: [],
            };
            this.handlers.begun(this.run);
            this.#watchQueue().catch(() => {}); // then nobody knows
        } else if (event.event === 'tile') {
            const {event: _, id: __, data, ...record} = event;
            this.#place(record);
            this.run.records.push(record);
            this.run.threads = Math.max(this.run.threads, record.thread_id + 1);
            this.handlers.tile(record, api.decodeCounts(data));
        } else if (event.event === 'summary') {
            const {event: _, id: __, ...summary} = event;
            this.run.summary = summary;
            this.run.threads = Math.max(this.run.threads, summary.threads.length);
            this.run.wallNs = Math.max(this.run.wallNs, (this.run.changes.at(-1) ?? 0) + summary.wall_ns);
        }
    }

    // Who waits has no tile yet; and once nobody does, neither does this run.
    async #watchQueue() {
        const {signal} = this.#abort;
        const waits = () => this.run.records.length === 0 && this.run.summary === null;
        for (let count = 1; count > 0 && waits();) {
            await api.pause(ASK_MS, signal); // few wait that long
            count = waits() ? await api.queued({signal}) : 0;
            if (waits()) {
                this.handlers.queued(count);
            }
        }
    }

    // On the timeline.
    #place(record) {
        const {run} = this;
        if (record.attempt !== (this.#attempt ?? record.attempt)) {
            run.changes.push(run.wallNs);
            run.timeLimitNs = 0; // it was by each clock
        }
        this.#attempt = record.attempt;
        record.since_ns = run.changes.at(-1) ?? 0;
        record.start_time_ns += record.since_ns;
        run.wallNs = Math.max(run.wallNs, endOf(record));
    }
}
