// Colours. Those of counts and threads are the service's own of image.png, so that a downloaded picture is what was seen.

// Nine even steps of matplotlib's viridis: https://bids.github.io/colormap/
const VIRIDIS = [[68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 144, 140], [39, 173, 129],
    [93, 200, 99], [170, 220, 50], [253, 231, 37]];

// Okabe and Ito's colours, which colour-blind eyes tell apart: https://jfly.uni-koeln.de/color/
const THREADS = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0],
    [204, 121, 167], [187, 187, 187]];

const INSIDE = 50; // of 255, the lightness of what never escapes, by thread

// Eight more are the same, darker; from 16 on they come again, hatched where there is room.
const ALL_THREADS = [...THREADS, ...THREADS.map((rgb) => rgb.map((part) => Math.round(part * 0.58)))];

export function threadRgb(thread) {
    return ALL_THREADS[thread % ALL_THREADS.length];
}

export function threadColour(thread) {
    return `rgb(${threadRgb(thread).join(' ')})`;
}

export const isHatched = (thread) => thread >= ALL_THREADS.length;

// Black or white, whichever stands out of the thread's colour.
export function threadInk(thread) {
    const [red, green, blue] = threadRgb(thread);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 105 ? '#111' : '#fff';
}

// Most counts are small: on a logarithmic scale, their differences show.
function part(count, maxIter) {
    return maxIter > 1 ? Math.log1p(count) / Math.log1p(maxIter - 1) : 1;
}

function blend(steps, at) {
    at *= steps.length - 1;
    const i = Math.min(Math.floor(at), steps.length - 2);
    return steps[i].map((from, k) => Math.round(from + (steps[i + 1][k] - from) * (at - i)));
}

// [red, green, blue] of every count from 0 to maxIter, which is that of points that never escape.
export function escapePalette(maxIter) {
    const colours = Array.from({length: maxIter}, (_, count) => blend(VIRIDIS, part(count, maxIter)));
    return [...colours, [0, 0, 0]];
}

// The lightness by which a thread's colour is multiplied, of 255, of every count from 0 to maxIter.
export function lightnesses(maxIter) {
    return [...Array.from({length: maxIter}, (_, count) => Math.round(90 + 165 * part(count, maxIter))), INSIDE];
}

// The page's own colours, by their names in style.css, as they are now.
export function themeColours(names) {
    const probe = document.createElement('span');
    probe.hidden = true;
    document.body.append(probe);
    const style = getComputedStyle(probe);
    const found = Object.fromEntries(names.map((name) => {
        probe.style.color = `var(--${name})`;
        return [name, style.color];
    }));
    probe.remove();
    return found;
}

// fn(), whenever they are others.
export function onTheme(fn) {
    new MutationObserver(fn).observe(document.documentElement, {attributeFilter: ['data-theme']});
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', fn);
}
