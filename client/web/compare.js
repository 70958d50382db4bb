// Comparisons of runs: one thread against several, a schedule against another, 1 to N threads.
import {disable, tell} from './aloud.js';
import {field, h} from './compare-dom.js';
import {threadCounts} from './compare-figures.js';
import {Race} from './compare-race.js';
import {concurrentResult, scalingResult, scheduleResult} from './compare-results.js';
import {runInTurns} from './compare-runs.js';
import {DEFAULTS} from './form.js';
import {plural} from './format.js';

const SCHEDULES = ['static', 'cyclic', 'dynamic', 'guided', 'stealing'];
const DOUBLED = 'doubled';
const FITTED = 'Amdahl\u2019s curve is fitted to no more threads than processors.';
const ENOUGH_MS = 60000;
const MOST_THREADS = 256, MOST_ROUNDS = 25;

// The browser's machine, which need not be the server's: until that has told its own.
const PROCESSORS = navigator.hardwareConcurrency || 4;

function number(id, value, [min, max]) {
    return h('input', {id, type: 'number', inputmode: 'numeric', min, max, value, required: true});
}

function choice(id, options, value) {
    return h('select', {id}, options.map((option) => h('option', {selected: option === value}, option)));
}

// A control whose value is of the page's address; its own where that does not say.
function kept(form, name, control) {
    control.dataset.own = control.value;
    control.addEventListener('input', () => form.look({[name]: control.value}));
    form.onView((view) => {
        if (control !== document.activeElement) {
            control.value = view[name] || control.dataset.own;
            control.value ||= control.dataset.own; // an address may name what there is not
        }
    });
    return control;
}

const threadsOf = (number) => (number === 1 ? '1 thread' : `${number} threads`); // may be what somebody typed

// A field that was left empty is the service's default.
function filled(params) {
    return {...params, ...Object.fromEntries(Object.entries(DEFAULTS).filter(([name]) => params[name] === ''))};
}

const alone = ({num_threads: _, ...params}) => ({...params, mode: 'sequential'});
const together = (params, changes) => ({...params, mode: 'concurrent', ...changes});
const oneThread = (params) => ({name: 'one thread', params: alone(params)});

// A kind of comparison: look is what there is to see; plan(params) gives the works, which are run and named, and
// result(runs, race), which shows them.
function concurrentKind() {
    return {
        id: 'concurrent', title: 'Sequential or concurrent', fields: [],
        look: 'Look at where the threads\u2019 lanes end: what is hatched beside a lane\u2019s tiles is time in which a '
            + 'thread had nothing to do.',
        plan(params) {
            const works = [oneThread(params), {
                name: `${threadsOf(params.num_threads)}, ${params.schedule}`, params: together(params, {}),
            }];
            return {works, result: (runs, race) => concurrentResult(works, runs, race)};
        },
    };
}

function scheduleKind(form) {
    const left = kept(form, 'left', choice('compare-left', SCHEDULES, 'static'));
    const right = kept(form, 'right', choice('compare-right', SCHEDULES, 'dynamic'));
    return {
        id: 'schedules', title: 'Two schedules', fields: [field('Schedule', left), field('against', right)],
        look: 'The tiles are the same, only who gets which differs. Look at how ragged the lanes\u2019 ends are, and '
            + 'at the imbalance.',
        plan(params) {
            const named = (schedule, name) => ({name, params: together(params, {schedule})});
            const works = [oneThread(params), named(left.value, left.value),
                named(right.value, left.value === right.value ? `${right.value} again` : right.value)];
            return {works, result: (runs, race) => scheduleResult(works, runs, race)};
        },
    };
}

const mostOf = (processors) => Math.min(Math.max(2 * processors, 8), 64);

function scalingKind(form) {
    const most = kept(form, 'most', number('compare-most', mostOf(PROCESSORS), [2, MOST_THREADS]));
    const steps = kept(form, 'steps', choice('compare-steps', [DOUBLED, 'each number'], DOUBLED));
    const processors = kept(form, 'processors', number('compare-processors', PROCESSORS, [1, MOST_THREADS]));
    const note = h('p', {class: 'note'}, `Your browser counts ${plural(PROCESSORS, 'processor')} on this computer; the server may `
        + `run on another. ${FITTED}`);
    return {
        id: 'scaling', title: '1 to N threads',
        fields: [field('Up to threads', most), field('Steps', steps), field('Processors', processors)],
        note,
        know(count) {
            [most.dataset.own, processors.dataset.own] = [mostOf(count), count];
            note.textContent = `The server has ${plural(count, 'processor')}. ${FITTED}`;
            form.look({});
        },
        look: 'Look at where the points leave the straight line: that is what more threads cannot give, '
            + 'for serial work, for uneven shares, or since the processors are used up.',
        plan(params) {
            const counts = threadCounts(Number(most.value),
                {every: steps.value !== DOUBLED, also: [Number(processors.value)]});
            const works = counts.map((threads) =>
                ({name: threadsOf(threads), params: together(params, {num_threads: threads})}));
            const usable = Number(processors.value); // now: it may be another when the runs have ended
            return {works, result: (runs, race) => scalingResult(works, runs, race, usable)};
        },
    };
}

// Says what is computed, and offers the kernel on which the imbalance shows best.
function workLine(form) {
    const text = h('p', {});
    const why = h('p', {});
    const button = h('button', {type: 'button', click: () => {
        form.set({kernel: form.get().kernel === 'scalar' ? 'auto' : 'scalar'});
        button.focus();
    }});
    const tell = () => {
        const {width, height, tile_w, tile_h, max_iter, num_threads, schedule, kernel} = filled(form.get());
        const scalar = kernel === 'scalar';
        text.textContent = `As chosen in the form: ${width} \u00d7 ${height} in tiles of ${tile_w} \u00d7 ${tile_h}, `
            + `${Number(max_iter).toLocaleString('en')} iterations, ${threadsOf(num_threads)}, ${schedule}, kernel ${kernel}.`;
        why.textContent = scalar
            ? 'Scalar computes every step of every pixel, so tiles inside the set cost the most: uneven shares show.'
            : 'This kernel skips what never escapes, so all tiles are quick and uneven shares hardly show. '
                + 'Scalar takes no shortcuts: a tile inside the set costs all its iterations.';
        button.textContent = scalar ? 'Use the fastest kernel' : 'Use the scalar kernel';
        button.classList.toggle('primary', !scalar);
    };
    tell();
    form.onChange(tell);
    return h('div', {class: 'compare-setting'}, h('div', {}, text, why), button);
}

// A tablist as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ has it, where arrow keys choose.
function tabs(name, panels, form) {
    const show = (which) => panels.forEach(({tab, panel}, i) => {
        tab.setAttribute('aria-selected', String(i === which));
        tab.tabIndex = i === which ? 0 : -1;
        panel.hidden = i !== which;
    });
    const choose = (which) => form.look({compare: panels[which].kind.id});
    const list = h('div', {class: 'compare-tabs', role: 'tablist', 'aria-label': name, keydown: (event) => {
        const at = panels.findIndex(({tab}) => tab === event.target), last = panels.length - 1;
        const [next, back] = [at === last ? 0 : at + 1, at === 0 ? last : at - 1];
        const to = {ArrowRight: next, ArrowLeft: back, Home: 0, End: last}[event.key];
        if (at >= 0 && to !== undefined) {
            event.preventDefault();
            choose(to);
            panels[to].tab.focus();
        }
    }}, panels.map(({tab}) => tab));
    panels.forEach(({tab}, i) => tab.addEventListener('click', () => choose(i)));
    form.onView(({compare}) => show(Math.max(0, panels.findIndex(({kind}) => kind.id === compare))));
    return list;
}

function progressText({done, total, round, rounds, work, wait, error}) {
    const why = error?.noService ? error.message.replace(/\.?$/, '.') : 'The server is busy.';
    return wait > 0 ? `${why} Asking again in ${Math.ceil(wait)} s\u2026`
        : `Run ${done + 1} of ${total}: ${work.name}, round ${round + 1} of ${rounds}`;
}

class Panel {
    #controller = null;

    constructor(kind, {form, api, rounds, lost, idle}) {
        Object.assign(this, {kind, form, api, rounds, lost, idle});
        this.race = new Race({api});
        this.run = h('button', {type: 'submit', class: 'primary'}, 'Compare');
        this.stop = h('button', {type: 'button', disabled: true, click: () => this.#controller.abort()}, 'Stop');
        this.bar = h('progress', {value: 0, 'aria-label': 'Runs done'});
        this.doing = h('p', {class: 'compare-said'}); // too much to be read aloud
        this.said = h('p', {class: 'compare-said'});
        this.failed = h('p', {class: 'compare-error', role: 'alert'});
        this.output = h('div', {class: 'compare-output'});
        this.going = h('div', {class: 'compare-going', hidden: true}, this.bar, this.doing);
        this.tab = h('button', {
            type: 'button', role: 'tab', id: `compare-tab-${kind.id}`, 'aria-controls': `compare-${kind.id}`,
        }, kind.title);
        this.panel = h('div', {role: 'tabpanel', id: `compare-${kind.id}`, 'aria-labelledby': this.tab.id},
            h('p', {class: 'compare-look'}, kind.look),
            h('form', {class: 'compare-controls', submit: (event) => {
                event.preventDefault();
                this.#compare();
            }}, kind.fields, rounds, h('div', {class: 'compare-actions'}, this.run, this.stop),
                kind.note),
            this.going, this.said, this.failed, this.output);
    }

    // One comparison at a time: another would disturb it.
    lock(locked) {
        this.run.disabled = locked;
    }

    // The page goes away.
    leave() {
        this.#controller?.abort();
    }

    // A service that was lost, at that time, is there again: what it was asked before may never be answered.
    recovered(lostAt) {
        if (this.#attempt?.at < lostAt) {
            this.#attempt.abort.abort();
        }
    }

    #attempt = null; // {at, abort}: at the run under way

    async #compute(params, {signal}) {
        for (;;) {
            const abort = new AbortController();
            this.#attempt = {at: performance.now(), abort};
            try {
                return await this.api.compute(params, {signal: AbortSignal.any([signal, abort.signal])});
            } catch (error) {
                if (signal.aborted || !abort.signal.aborted) {
                    throw error;
                }
            }
        }
    }

    async #compare() {
        const rounds = Number(this.rounds.querySelector('input').value);
        const {works, result} = this.kind.plan(filled(this.form.get()));
        this.#begin();
        try {
            await Promise.race([this.idle(), new Promise((stop) => {
                this.#controller.signal.addEventListener('abort', stop);
            })]);
            const {runs, stopped} = await runInTurns(works, {
                compute: (params, options) => this.#compute(params, options), rounds, signal: this.#controller.signal,
                onProgress: (at) => this.#progress(at),
            });
            this.#finish(runs, {stopped, rounds, result});
        } catch (error) {
            this.failed.textContent = error.message.replace(/\.?$/, '.') + this.#whatIsBelow();
        }
        this.#end();
    }

    #begin() {
        const focused = document.activeElement === this.run;
        this.#controller = new AbortController();
        this.failed.textContent = this.said.textContent = '';
        this.onBusy(true);
        this.doing.textContent = 'Waiting for the run above to end';
        this.bar.removeAttribute('value');
        this.stop.disabled = false;
        this.going.hidden = false;
        this.output.classList.toggle('old', this.output.hasChildNodes());
        if (focused) {
            this.stop.focus();
        }
    }

    #progress(at) {
        this.bar.max = at.total;
        this.bar.value = at.done;
        this.doing.textContent = progressText(at);
        if (at.error?.noService) {
            this.lost(at.error.message);
        }
    }

    #finish(runs, {stopped, rounds, result}) {
        const complete = runs[0].length;
        this.said.textContent = !stopped ? `Done: ${plural(complete * runs.length, 'run')}.`
            : complete === 0 ? 'Stopped before the first round was complete.'
                : `Stopped after ${complete} of ${plural(rounds, 'round')}.`;
        if (complete === 0) {
            this.said.textContent += this.#whatIsBelow();
        }
        tell(this.said.textContent);
        if (complete > 0) {
            const shown = result(runs, this.race);
            this.output.replaceChildren(shown);
            this.output.classList.remove('old');
            shown.querySelector('.cut')?.after(this.#raise());
            tell(`${this.said.textContent} ${shown.querySelector('.compare-lesson').textContent}`);
        }
    }

    // A result stays until there is another.
    #whatIsBelow() {
        return this.output.hasChildNodes() ? ' What is shown below was compared before.' : '';
    }

    #raise() {
        return h('button', {type: 'button', click: () => {
            this.form.set({time_limit_ms: ENOUGH_MS});
            this.run.focus();
            this.#compare();
        }}, `Raise the time limit to ${ENOUGH_MS / 1000} s and compare again`);
    }

    #end() {
        this.going.hidden = true;
        this.onBusy(false);
        disable(this.stop, true, this.run);
    }
}

// lost(message) is told where the service does not answer; idle() resolves when the page's own run is over, which would
// take turns with what is compared. Gives {know(count)}, which is to be told the server's processors.
export function mountCompare(section, {form, api, lost, idle}) {
    const panels = [concurrentKind(), scheduleKind(form), scalingKind(form)].map((kind) => new Panel(kind, {
        form, api, lost, idle, rounds: field('Runs of each',
            kept(form, 'rounds', number(`compare-rounds-${kind.id}`, 5, [1, MOST_ROUNDS]))),
    }));
    for (const panel of panels) {
        panel.onBusy = (busy) => panels.forEach((each) => each.lock(busy));
    }
    window.addEventListener('pagehide', () => panels.forEach((panel) => panel.leave()));
    section.hidden = false;
    section.classList.add('compare', 'panel');
    section.replaceChildren(
        h('h2', {}, 'Compare'), workLine(form),
        tabs('What to compare', panels, form), ...panels.map(({panel}) => panel));
    return {
        know: (count) => panels.forEach(({kind}) => kind.know?.(count)),
        recovered: (lostAt) => panels.forEach((panel) => panel.recovered(lostAt)),
    };
}
