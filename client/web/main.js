// The page: a form, a run, and what shows it.
import * as api from './api.js';
import {describe, disable, tell} from './aloud.js';
import {mountCompare} from './compare.js';
import {form, DEFAULTS, PRESETS} from './form.js';
import {Picture} from './image.js';
import {LiveRun} from './live.js';
import {mountRequest} from './request.js';
import {Records} from './records.js';
import {partOf, regionOf} from './region.js';
import {Replay} from './replay.js';
import {savePng, saveJson, saveTrace} from './save.js';
import {Service} from './service.js';
import {isWhole, lanesInWords, limitsInWords, pictureInWords, showFigures, showTile} from './figures.js';
import {mountTheme} from './theme.js';
import {Timeline} from './timeline.js';
import {duration, number, plural} from './format.js';

const KEYS = { // to the image, by what it is coloured by
    escape: 'The brighter, the more iterations a pixel took before it escaped; black took all of them. Hatched: not computed.',
    thread: 'Each colour and number is a thread; the shade is the escape count. Hatched: not computed.',
};

const byId = (id) => document.getElementById(id);

const picture = new Picture(byId('picture'), {
    label: 'The image. Arrows choose a tile, Enter zooms to it, plus and minus zoom, Backspace goes back.',
});
const timeline = new Timeline(byId('timeline'), {
    label: 'Timeline. Left and right go from bar to bar, up and down from thread to thread, plus and minus zoom, Enter to the '
        + 'bar, Shift with left and right pans, 0 shows all.',
});
const replay = new Replay({
    play: byId('play'), restart: byId('restart'), scrubber: byId('scrubber'), speed: byId('speed'),
    speedText: byId('speed-text'), clock: byId('clock'),
});
const records = new Records({
    details: byId('records'), rows: byId('rows'), back: byId('rows-back'), on: byId('rows-on'),
    shown: byId('rows-shown'), count: byId('records-count'),
});

let live = null; // a run that is under way
let run = null; // what is shown
let counting = false; // in the next frame
let waiting = false; // for the service, to make the run anew
let left = false; // the page was, in mid-run
let coloured = 'escape'; // or 'thread'
const whenIdle = []; // who waits for a run to be over
let processors = null; // the service's, once it has told
let remade = 0; // how often in a row, since the service had lost the run
const MOST_REMADE = 3; // a run that ends its server each time is not tried for ever

// ---- A run ----

function say(text, bad = false) {
    byId('status').textContent = text;
    byId('status').classList.toggle('bad', bad);
    tell(text);
}

function setBusy(busy) {
    byId('result').dataset.busy = busy;
    disable(byId('stop'), !busy, byId('run'));
    for (const id of ['save-png', 'save-trace', 'save-json']) {
        byId(id).disabled = busy || run === null;
    }
}

function begun(begunRun) {
    run = begunRun;
    picture.begin(run.params);
    timeline.begin(run);
    replay.load(0);
    records.show([]);
    showTile(null);
    showFigures(run, processors);
    describe(byId('picture'), pictureInWords(run));
    showKey();
    describe(byId('timeline'), '');
    sayComputing();
}

function sayComputing() {
    const text = `Computing ${plural(run.planned, 'tile')}`;
    if (byId('status').textContent !== text && !live?.stopped) {
        say(text);
    }
}

function queued(count) {
    if (count > 0 && !live.stopped) {
        say(`Waiting for threads: ${plural(count, 'run')} in the service’s queue`);
    } else {
        sayComputing();
    }
}

function tile(record, counts) {
    if (run.records.length === 1) {
        sayComputing();
    }
    picture.add(record, counts);
    timeline.add(record);
    if (!counting) {
        counting = true;
        requestAnimationFrame(count); // tiles come faster than a frame
    }
}

function count() {
    counting = false;
    if (live !== null) {
        byId('progress').value = run.records.length / Math.max(1, run.planned);
        byId('figure-tiles').textContent = `${number(run.records.length)} of ${number(run.planned)}`;
    }
}

// Whatever has become of it.
function shown() {
    timeline.end();
    records.show(run.records);
    replay.load(run.wallNs);
    showFigures(run, processors);
    describe(byId('timeline'), lanesInWords(run));
}

function finished() {
    shown();
    const {summary, records: {length: done}} = run;
    const again = remade > 0 ? '; made again, since the service had lost the run' : '';
    remade = 0;
    say((summary.time_limited ? `The time limit came after ${plural(done, 'tile')} of ${number(run.planned)}`
        : isWhole(run) ? `${plural(done, 'tile')} in ${duration(summary.wall_ns)}`
            : `${plural(done, 'tile')}; a server was lost meanwhile`) + again);
    tell(`${byId('status').textContent}. ${byId('lesson').textContent}`);
    if (processors === null) {
        learnProcessors();
    }
}

// From its statistics, which whoever computes may ask for.
async function learnProcessors() {
    const count = await api.processors().catch(() => null);
    if (count !== null) {
        processors = count;
        byId('processors').textContent = `on ${plural(processors, 'processor')}`;
        comparisons.know(processors);
        if (live === null) {
            showFigures(run, processors);
        }
    }
}

// {stopped, begun}: whether somebody stopped it, and whether there is anything of it to be seen.
function failed(error, {stopped, begun}) {
    const before = run !== null && !begun ? '; what is shown is the run before' : '';
    if (begun) {
        shown();
    }
    if (stopped) {
        say(!begun ? `Stopped${before}` : run.records.length === 0 ? 'Stopped before the first tile'
            : `Stopped after ${plural(run.records.length, 'tile')}`);
        return;
    }
    say(error.runLost ? 'The service lost the run' : `The run failed${before}`, true);
    showAlert(error);
}

// In the service's own words, and what comes of it.
function showAlert(error) {
    const returns = error.runLost ? remade < MOST_REMADE : error.noService;
    byId('alert-text').textContent = error.message;
    byId('alert-hint').textContent = returns
        ? 'The page goes on asking, and makes the run anew as soon as it is answered.'
        : error.retryAfter ? `Try again in ${plural(error.retryAfter, 'second')}.` : '';
    byId('alert').hidden = false;
    byId('alert').scrollIntoView({block: 'nearest'});
    for (const id of ['token-field', 'token-note']) {
        byId(id).hidden = !error.wantsToken && api.token.get() === '';
    }
    for (const name of Object.keys(DEFAULTS)) {
        markField(name, error.status === 400 && new RegExp(`\\b${name}\\b`).test(error.message));
    }
    if (returns) {
        service.lost(error.message);
        waiting = true;
        remade += error.runLost;
    }
}

function markField(name, wrong) {
    for (const field of byId('form').querySelectorAll(`[name=${name}]`)) {
        if (wrong) {
            field.setAttribute('aria-invalid', 'true');
            field.setAttribute('aria-errormessage', 'alert');
            field.closest('details')?.setAttribute('open', '');
        } else {
            field.removeAttribute('aria-invalid');
            field.removeAttribute('aria-errormessage');
        }
    }
}

function clearAlert() {
    if (byId('alert').contains(document.activeElement)) {
        byId('run').focus({preventScroll: true});
    }
    byId('alert').hidden = true;
    Object.keys(DEFAULTS).forEach((name) => markField(name, false));
}

// again: how often in a row this is done for a run that was lost.
async function start(again = 0) {
    live?.stop();
    remade = again;
    waiting = false;
    form.settle();
    clearAlert();
    const mine = new LiveRun(form.get(), {
        begun: (begunRun) => live === mine && begun(begunRun),
        queued: (count) => live === mine && queued(count),
        tile: (record, counts) => live === mine && tile(record, counts),
        lost: (error) => {
            if (live === mine) {
                say('The connection was lost; taking it up again', true);
                service.lost(error.message);
            }
        },
        back: () => live === mine && sayComputing(),
    });
    live = mine;
    byId('progress').value = 0;
    setBusy(true);
    say('Waiting for the service');
    try {
        await mine.read();
        if (live === mine) {
            finished();
        }
    } catch (error) {
        if (live === mine) {
            failed(error, {stopped: mine.stopped || error.name === 'AbortError', begun: mine.run !== undefined});
        }
    }
    if (live === mine) {
        live = null;
        setBusy(false);
        whenIdle.splice(0).forEach((fn) => fn());
    }
}

function idle() {
    return live === null ? Promise.resolve() : new Promise((resolve) => {
        whenIdle.push(resolve);
    });
}

function stop() {
    if (live !== null) {
        live.stopped = true;
        say('Stopping');
        live.stop();
    }
}

// A run that nobody sees any more is ended; who comes back to the page, as the browser kept it, sees it made anew.
function leave() {
    left = live !== null;
    live?.leave();
}

function comeBack() {
    if (left) {
        start();
    }
}

// ---- Zoom ----

function showViews() {
    disable(byId('zoom-back'), form.trail.length === 0, byId('zoom-in'));
    disable(byId('zoom-whole'), form.get().region === '', byId('zoom-in'));
}

function look(region) {
    form.set({region}, [...form.trail, form.get().region]);
    start();
}

function lookBack() {
    const trail = [...form.trail];
    if (trail.length > 0) {
        form.set({region: trail.pop()}, trail);
        start();
    }
}

function showColour({colour}) {
    const choice = byId('colour').querySelector(`[value=${CSS.escape(colour)}]`);
    if (choice !== null && choice.value !== coloured) {
        choice.checked = true;
        coloured = choice.value;
        picture.setColour(coloured);
    }
    showKey();
}

function showKey() {
    byId('picture-key').textContent = KEYS[coloured] + limitsInWords(picture.params, picture.step);
}

// ---- All together ----

function mark(record) {
    picture.highlight(record);
    timeline.highlight(record);
    showTile(record);
}

function listen() {
    byId('form').addEventListener('submit', (event) => {
        event.preventDefault();
        if (byId('result').getBoundingClientRect().top > innerHeight * 0.6) {
            byId('result').scrollIntoView();
        }
        start();
    });
    byId('stop').addEventListener('click', stop);
    byId('again').addEventListener('click', () => start());
    byId('token').addEventListener('change', (event) => api.token.set(event.target.value.trim()));
    byId('colour').addEventListener('change', (event) => form.look({colour: event.target.value}));
    byId('zoom-in').addEventListener('click', () => look(partOf(regionOf(form.get()),
        {x: 0.25, y: 0.25, width: 0.5, height: 0.5})));
    byId('zoom-back').addEventListener('click', lookBack);
    byId('zoom-whole').addEventListener('click', () => look(''));
    byId('time-in').addEventListener('click', () => timeline.zoom(2));
    byId('time-out').addEventListener('click', () => timeline.zoom(0.5));
    byId('time-fit').addEventListener('click', () => timeline.fit());
    byId('save-json').addEventListener('click', () => saveJson(run));
    byId('save-trace').addEventListener('click', () => saveTrace(run));
    byId('save-png').addEventListener('click', () => savePng(picture.canvas));
    picture.onHover(mark);
    picture.onRegion(look);
    picture.onBack(lookBack);
    timeline.onHover(mark);
    timeline.onSeek((ns) => {
        replay.pause();
        replay.seek(ns);
    });
    replay.onTime((ns) => {
        picture.setTime(ns);
        timeline.setTime(ns);
    });
    document.querySelector('.skip').addEventListener('click', (event) => {
        event.preventDefault(); // the address is the form's
        byId('result').focus();
    });
    form.onChange(showViews);
    form.onView(showColour);
    window.addEventListener('hashchange', () => start());
    window.addEventListener('pagehide', leave);
    window.addEventListener('pageshow', ({persisted}) => persisted && comeBack());
}

// The run that failed for want of a service is made again once there is one.
const service = new Service({
    pill: byId('service'), text: byId('service-text'),
    recovered: (lostAt) => {
        comparisons.recovered(lostAt);
        if (live === null && waiting) {
            start(remade);
        }
    },
});

mountTheme(byId('theme'));
mountRequest();
listen();
byId('more').open = byId('elsewhere').open = matchMedia('(min-width: 700px)').matches;
byId('token').value = api.token.get();
const comparisons = mountCompare(byId('compare'), {form, api, lost: (message) => service.lost(message), idle});
if (location.hash.length < 2) {
    form.set(PRESETS.uneven.params); // there is something to be seen
}
showViews();
start();
