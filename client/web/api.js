// The service's HTTP API, as README.md and openapi.json tell it. URLs are relative: the page may be behind a prefix.

const TOKEN_KEY = 'tilery-token';
const RESUME_WITHIN_MS = 10000; // how long the service keeps a run that nobody reads
const SILENT_MS = 30000; // three heartbeats that did not come: nobody is there any more
const LOST = [0, 404, 410, 503]; // where a run had begun, it is gone with what did it

// The order is the URL's.
const NAMES = ['width', 'height', 'tile_w', 'tile_h', 'max_iter', 'time_limit_ms', 'num_threads', 'schedule', 'kernel',
    'region'];

// status 0: there was no answer at all. retryAfter: seconds, or null. runLost: the run had begun, and is no more.
// wantsToken: a token of ours, and not one that the bridge shows its servers.
export class ApiError extends Error {
    runLost = false;
    wantsToken = false;

    constructor(status, message, retryAfter = null) {
        super(message);
        this.name = 'ApiError';
        this.status = status;
        this.retryAfter = retryAfter;
    }

    // Whether it is worth asking again, since there was nobody to answer.
    get noService() {
        return this.status === 0 || this.status === 503;
    }
}

// Kept for this tab alone, and nowhere else.
export const token = {
    get: () => sessionStorage.getItem(TOKEN_KEY) ?? '',
    set: (text) => text ? sessionStorage.setItem(TOKEN_KEY, text) : sessionStorage.removeItem(TOKEN_KEY),
};

// What is empty is left to the service's default; one thread has no num_threads.
function query(params, extra) {
    const search = new URLSearchParams();
    for (const name of NAMES) {
        const value = params[name];
        if (value !== undefined && value !== '' && !(name === 'num_threads' && params.mode === 'sequential')) {
            search.set(name, value);
        }
    }
    for (const [name, value] of Object.entries(extra ?? {})) {
        search.set(name, value);
    }
    return search.toString().replaceAll('%2C', ',');
}

function url(path, params, extra) {
    return new URL(`api/compute/${path}?${query(params, extra)}`, document.baseURI).href;
}

export function computeUrl(params, extra) {
    return url(params.mode === 'sequential' ? 'sequential' : 'concurrent', params, extra);
}

export function curlCommand(params) {
    const header = token.get() ? '-H "Authorization: Bearer $TOKEN" ' : '';
    return `curl ${header}'${computeUrl(params).replaceAll('\'', '%27')}'`;
}

// The service's answer, if it is a good one.
export async function request(address, {headers, ...options} = {}) {
    const authorized = token.get() ? {...headers, Authorization: `Bearer ${token.get()}`} : headers;
    let response;
    try {
        response = await fetch(address, {cache: 'no-store', ...options, headers: authorized});
    } catch (error) {
        throw error.name === 'AbortError' ? error : new ApiError(0, 'The service cannot be reached.');
    }
    if (!response.ok) {
        throw await refusal(response);
    }
    return response;
}

async function refusal(response) {
    const text = await response.text().catch(() => '');
    let said;
    try {
        const answer = JSON.parse(text);
        said = answer.error ?? answer.message;
    } catch {
        said = null; // libmicrohttpd's own refusals, and those of a proxy, are HTML
    }
    const retry = Number.parseInt(response.headers.get('Retry-After'), 10);
    const error = new ApiError(response.status,
        said || `The service answered ${response.status} ${response.statusText}`.trim(), Number.isNaN(retry) ? null : retry);
    error.wantsToken = error.status === 401 && !response.headers.get('WWW-Authenticate')?.includes('realm="backend"');
    return error;
}

// A run of an answer's parts: times are in ns from its begin.
function makeRun(params, records, summary) {
    const threads = Math.max(1, summary?.threads?.length ?? 0, ...summary?.threads?.map((t) => t.thread_id + 1) ?? []);
    const timeLimitNs = Number(params.time_limit_ms) * 1e6;
    return {params, records, summary, threads, timeLimitNs, wallNs: summary.wall_ns, changes: []};
}

// {params, records, summary, threads, timeLimitNs, wallNs, changes}: params as the service used them, records in order of their
// starts; changes as live.js has them, none here.
export async function compute(params, {signal} = {}) {
    const response = await request(computeUrl(params, {precision: 'ns', summary: '1'}), {signal});
    const answer = await response.json().catch((error) => {
        throw error.name === 'AbortError' ? error : new ApiError(0, 'The connection was lost.');
    });
    return makeRun({...params, ...answer.params}, answer.data, answer.summary);
}

export function pause(ms, signal) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, ms);
        signal?.addEventListener('abort', () => {
            clearTimeout(timer);
            reject(signal.reason);
        }, {once: true});
    });
}

// What comes. A connection that ends amiss is lost, and so is one on which nothing comes any more.
async function heard(coming) {
    let timer;
    const silence = new Promise((_, reject) => {
        timer = setTimeout(reject, SILENT_MS, new Error('silence'));
    });
    try {
        return await Promise.race([coming, silence]);
    } catch (error) {
        throw error.name === 'AbortError' || error instanceof ApiError ? error : new ApiError(0, 'The connection was lost.');
    } finally {
        clearTimeout(timer);
    }
}

async function* lines(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = []; // of a line that is not whole yet
    try {
        for (;;) {
            const {value, done} = await heard(reader.read());
            if (done) {
                return;
            }
            const [first, ...others] = value.split('\n');
            rest.push(first);
            for (const other of others) {
                const line = rest.join('');
                rest = [other];
                if (line) {
                    yield line;
                }
            }
        }
    } finally {
        reader.cancel().catch(() => {}); // it may have failed
    }
}

// The stream from its begin, which may have to wait for its turn, or from where it was lost.
async function open(address, {id}, signal) {
    const headers = {Accept: 'application/x-ndjson'};
    if (id === null) {
        return request(address, {signal, headers});
    }
    const late = new AbortController(); // an answer that comes later would take the stream from a newer question
    const asked = request(address, {signal: AbortSignal.any([signal, late.signal]), headers: {...headers, 'Last-Event-ID': id}});
    return heard(asked).catch((error) => {
        late.abort();
        throw error;
    });
}

// One connection's events. Returns once the last has come; throws where the connection ends before.
async function follow(address, last, {signal, onEvent}) {
    const response = await open(address, last, signal);
    if (response.status === 204) {
        return; // nothing follows
    }
    for await (const line of lines(response.body)) {
        const event = JSON.parse(line);
        if (event.id) {
            last.id = event.id;
        }
        if (event.event) {
            await onEvent(event);
        }
        if (event.event === 'end') {
            return;
        }
    }
    throw new ApiError(0, 'The connection was lost.');
}

// Calls onEvent with each event: event is run, tile, summary, failure, heartbeat or end, as openapi.json tells. A
// connection that is lost is taken up again where it ended; waiting is told of by the event {event: 'lost', error}.
export async function stream(params, {signal, onEvent}) {
    const address = url('stream', params, params.mode === 'sequential' ? {mode: 'sequential'} : {});
    const last = {id: null};
    let lostAt = null;
    for (;;) {
        const before = last.id;
        try {
            return await follow(address, last, {signal, onEvent});
        } catch (error) {
            if (!(error instanceof ApiError) || last.id === null) {
                throw error;
            }
            lostAt = last.id === before && lostAt !== null ? lostAt : performance.now();
            if (!(error.noService || error.status === 429) || performance.now() - lostAt > RESUME_WITHIN_MS) {
                error.runLost = LOST.includes(error.status);
                throw error;
            }
            await onEvent({event: 'lost', error});
        }
        await pause(300, signal);
    }
}

// It is sent even where the page goes away meanwhile.
export async function cancel(runId) {
    await request(new URL(`api/compute/runs/${runId}`, document.baseURI),
        {method: 'DELETE', keepalive: true, signal: AbortSignal.timeout(5000)});
}

// The escape counts of the same part of the plane at another size, row by row.
export async function counts({max_iter, region}, {width, height}) {
    const whole = {width, height, tile_w: width, tile_h: height, max_iter, region, num_threads: 1, time_limit_ms: 600000};
    const {data} = await (await request(url('concurrent', whole, {data: '1'}))).json();
    return decodeCounts(data[0].data);
}

// Whether a server serves; in its own words where none does.
export async function health({signal} = {}) {
    const response = await request(new URL('api/compute/health', document.baseURI), {signal});
    return response.json();
}

// What each of the service's servers says.
async function metric(name, {signal} = {}) {
    const text = await (await request(new URL('metrics', document.baseURI), {signal})).text();
    return Array.from(text.matchAll(new RegExp(`^${name}\\{.*\\} (\\d+)$`, 'gm')), ([, count]) => Number(count));
}

// How many processors the service's servers have; null where they do not say, or have not as many.
export async function processors() {
    const counts = new Set(await metric('tilery_server_cpus'));
    const [count] = counts;
    return counts.size === 1 && count > 0 ? count : null;
}

// How many runs wait for threads.
export async function queued({signal}) {
    return (await metric('tilery_server_runs_queued', {signal})).reduce((sum, count) => sum + count, 0);
}

// A tile's data: little-endian uint16, in base64.
export function decodeCounts(text) {
    const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) {
        return new Uint16Array(bytes.buffer);
    }
    const view = new DataView(bytes.buffer);
    return Uint16Array.from({length: bytes.length / 2}, (_, i) => view.getUint16(2 * i, true));
}
