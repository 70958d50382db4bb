// Figures for people.

const NUMBER = new Intl.NumberFormat('en');

export const number = (value) => NUMBER.format(value);

const UNITS = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']];

// The largest unit in which so many ns are at least 1: [how many ns it has, its name].
export const unitOf = (ns) => UNITS.find(([size]) => Math.abs(ns) >= size) ?? UNITS.at(-1);

// Three digits: 1.24 ms, 12.4 ms, 124 ms. No line ends between a figure and its unit.
export function duration(ns, unit = unitOf(ns)) {
    const value = ns / unit[0];
    const digits = unit[0] === 1 ? 0 : value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return `${value.toFixed(digits)}\u00a0${unit[1]}`;
}

export const percent = (part) => `${Math.round(part * 100)}\u00a0%`;

export const plural = (count, one, more = `${one}s`) => `${number(count)} ${count === 1 ? one : more}`;

export const endOf = (record) => record.start_time_ns + record.duration_ns;
