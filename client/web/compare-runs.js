// Runs what is to be compared, in turns.

const BUSY = 429;

// A while, or less: rejects as the signal does.
function pause(seconds, signal) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(done, seconds * 1000);
        function done() {
            signal.removeEventListener('abort', stop);
            resolve();
        }
        function stop() {
            clearTimeout(timer);
            reject(signal.reason);
        }
        if (signal.aborted) {
            stop();
        } else {
            signal.addEventListener('abort', stop, {once: true});
        }
    });
}

// One run; a server that is busy is asked again when it said it would take it, and one that is gone every second.
async function computeWhenFree(params, {compute, signal, onWait}) {
    for (;;) {
        try {
            return await compute(params, {signal});
        } catch (error) {
            if (!(error.status === BUSY || error.noService) || signal.aborted) {
                throw error;
            }
            const seconds = Math.max(error.retryAfter ?? 1, 0.1);
            onWait(seconds, error);
            await pause(seconds, signal);
        }
    }
}

// Runs each of works, {name, params}, once a round, and begins each round with another one, so that nobody is always
// the first. compute, signal: as api.compute has them. onProgress({done, total, round, rounds, work, wait}) is called
// before each run with a wait of 0, and with the seconds to wait and the error where the server is busy or gone.
//
// Gives {runs, stopped}: runs[work][round], of rounds that were completed. A stop keeps those; another error is thrown.
export async function runInTurns(works, {compute, rounds, signal, onProgress}) {
    const runs = works.map(() => []);
    const total = rounds * works.length;
    for (let round = 0, done = 0; round < rounds; round++) {
        const latest = [];
        try {
            for (let turn = 0; turn < works.length; turn++, done++) {
                const which = (round + turn) % works.length;
                const at = {done, total, round, rounds, work: works[which]};
                onProgress({...at, wait: 0});
                signal.throwIfAborted();
                latest[which] = await computeWhenFree(works[which].params,
                    {compute, signal, onWait: (wait, error) => onProgress({...at, wait, error})});
            }
        } catch (error) {
            if (signal.aborted) {
                return {runs, stopped: true};
            }
            throw error;
        }
        latest.forEach((run, which) => runs[which].push(run));
    }
    return {runs, stopped: false};
}
