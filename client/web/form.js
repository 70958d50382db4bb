// The parameters: a real form, whose state is the page's address, with how its run is looked at.

// As the service has them.
export const DEFAULTS = {
    mode: 'concurrent', width: 800, height: 600, tile_w: 64, tile_h: 64, max_iter: 256, time_limit_ms: 2000,
    num_threads: 4, schedule: 'static', kernel: 'auto', region: '',
};

// How it is looked at. What is empty is the page's own choice.
export const VIEW = {
    colour: 'escape', compare: 'concurrent', left: 'static', right: 'dynamic', most: '', steps: 'doubled', processors: '',
    rounds: '5',
};

const NUMBERS = ['width', 'height', 'tile_w', 'tile_h', 'max_iter', 'time_limit_ms', 'num_threads'];

// Each is told from the defaults. The kernel that takes no shortcuts shows best who has the hard part of the image.
export const PRESETS = {
    uneven: {label: 'Uneven shares', params: {kernel: 'scalar', max_iter: 1000}},
    even: {label: 'On demand', params: {kernel: 'scalar', max_iter: 1000, schedule: 'dynamic'}},
    documented: {
        label: 'The documented request',
        params: {width: 96, height: 96, tile_w: 32, tile_h: 32, max_iter: 128, time_limit_ms: 500, num_threads: 2},
    },
    sequential: {label: 'One thread', params: {mode: 'sequential', kernel: 'scalar', max_iter: 1000}},
    coarse: {
        label: 'Few large tiles',
        params: {kernel: 'scalar', max_iter: 1000, schedule: 'dynamic', tile_w: 400, tile_h: 200},
    },
    fine: {
        label: 'Thousands of tiles',
        params: {kernel: 'scalar', max_iter: 1000, schedule: 'stealing', tile_w: 8, tile_h: 8},
    },
    crowded: {
        label: 'More threads than processors',
        params: {kernel: 'scalar', max_iter: 1000, schedule: 'dynamic', num_threads: 32, tile_w: 32, tile_h: 32},
    },
    limited: {label: 'Out of time', params: {kernel: 'scalar', max_iter: 1000, time_limit_ms: 60}},
    seahorse: {
        label: 'Seahorse valley',
        params: {region: '-0.7515,0.0985,0.016,0.009', width: 960, height: 540, max_iter: 2000, schedule: 'dynamic'},
    },
};

// A number where it is one; else what was typed, so that the service can say what is wrong with it.
function read(name, text) {
    text = text.trim();
    return NUMBERS.includes(name) && /^[0-9]+$/.test(text) ? Number(text) : text;
}

const changesOf = (values, defaults) => Object.entries(values).filter(([name, value]) => value !== defaults[name]);

class Form {
    #element = document.getElementById('form');
    #listeners = [];
    #viewListeners = [];
    #view = {...VIEW};
    #settled = false; // the address is one to come back to

    constructor() {
        this.#readAddress();
        this.#element.addEventListener('input', (event) => {
            if (event.target.name in DEFAULTS) {
                this.#changed(this.trail);
            }
        });
        window.addEventListener('hashchange', () => {
            this.#readAddress();
            this.#tell();
        });
    }

    // All of DEFAULTS' names.
    get() {
        const {elements} = this.#element;
        return Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, read(name, elements[name].value)]));
    }

    // Those given; the others stay. trail: the regions to go back to from there.
    set(params, trail = this.trail) {
        this.#write(params);
        this.#changed(trail);
    }

    get trail() {
        return history.state?.trail ?? [];
    }

    // All of VIEW's names.
    get view() {
        return this.#view;
    }

    // Those of VIEW that are given; the others stay.
    look(view) {
        this.#view = {...this.#view, ...view};
        history.replaceState(history.state, '', this.#address());
        this.#tell();
    }

    // What is in the form is what was run: the browser's Back comes here again.
    settle() {
        this.#settled = true;
    }

    // fn(params), after every change, by whomever.
    onChange(fn) {
        this.#listeners.push(fn);
    }

    // fn(view), now and after every change.
    onView(fn) {
        this.#viewListeners.push(fn);
        fn(this.#view);
    }

    #write(params) {
        for (const [name, value] of Object.entries(params)) {
            const field = name in DEFAULTS ? this.#element.elements[name] : null;
            if (field instanceof HTMLSelectElement && ![...field.options].some((option) => option.value === value)) {
                field.add(new Option(value)); // an address may name what this page does not know
            }
            if (field) {
                field.value = value;
            }
        }
    }

    #readAddress() {
        const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
        this.#write({...DEFAULTS, ...given});
        if (this.get().mode === '') {
            this.#write({mode: DEFAULTS.mode});
        }
        this.#view = Object.fromEntries(Object.entries(VIEW).map(([name, value]) => [name, given[name] || value]));
    }

    #address() {
        const told = new URLSearchParams([...changesOf(this.get(), DEFAULTS), ...changesOf(this.#view, VIEW)]);
        const hash = told.toString().replaceAll('%2C', ',');
        return hash ? `#${hash}` : location.pathname + location.search;
    }

    #changed(trail) {
        if (this.#settled) {
            history.pushState({trail}, '', this.#address());
        } else {
            history.replaceState({trail}, '', this.#address());
        }
        this.#settled = false;
        this.#tell();
    }

    #tell() {
        const params = this.get();
        for (const fn of this.#listeners) {
            fn(params);
        }
        for (const fn of this.#viewListeners) {
            fn(this.#view);
        }
    }
}

export const form = new Form();
