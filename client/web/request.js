// What belongs to the form: presets, what a schedule does, and the same request as URL and curl.
import * as api from './api.js';
import {tell} from './aloud.js';
import {form, DEFAULTS, PRESETS} from './form.js';

const SCHEDULES = {
    static: 'Each thread gets one run of tiles, in order.',
    cyclic: 'Tiles are dealt like cards, one thread after the other.',
    dynamic: 'Whoever is free takes the next tile.',
    guided: 'Whoever is free takes a share of what is left: large ones first.',
    stealing: 'Each thread has its own share, and takes from others when it is done.',
};

const byId = (id) => document.getElementById(id);

function presetOf(params) {
    const same = ([, {params: changed}]) => {
        const preset = {...DEFAULTS, ...changed};
        return Object.keys(DEFAULTS).every((name) => preset[name] === params[name]);
    };
    return Object.entries(PRESETS).find(same)?.[0] ?? '';
}

function show(params) {
    byId('preset').value = presetOf(params);
    byId('schedule-note').textContent = params.mode === 'sequential'
        ? 'One thread takes the tiles in order.' : SCHEDULES[params.schedule] ?? '';
    for (const name of ['num_threads', 'schedule']) {
        byId('form').elements[name].disabled = params.mode === 'sequential';
    }
    byId('url').textContent = api.computeUrl(params);
    byId('curl').textContent = api.curlCommand(params);
}

// label: what the button says at rest; pressed twice, it says that it has copied already.
async function copy(button, label) {
    const text = byId(button.dataset.copy);
    try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = 'Copied';
        tell('Copied');
        setTimeout(() => {
            button.textContent = label;
        }, 1500);
    } catch {
        getSelection().selectAllChildren(text); // a page without https has no clipboard
    }
}

export function mountRequest() {
    for (const [name, {label}] of Object.entries(PRESETS)) {
        byId('preset').add(new Option(label, name));
    }
    byId('preset').addEventListener('change', (event) => {
        const preset = PRESETS[event.target.value];
        if (preset) {
            form.set({...DEFAULTS, ...preset.params});
            byId('form').requestSubmit();
        }
    });
    for (const button of document.querySelectorAll('[data-copy]')) {
        const label = button.textContent;
        button.addEventListener('click', () => copy(button, label));
    }
    form.onChange(show);
    show(form.get());
    form.onView(() => {
        byId('link').textContent = location.href;
    });
}
