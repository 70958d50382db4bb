// Elements in one expression.

const SVG = 'http://www.w3.org/2000/svg';

// A property that is a function listens; false and null leave an attribute out.
function fill(element, properties, children) {
    for (const [name, value] of Object.entries(properties)) {
        if (typeof value === 'function') {
            element.addEventListener(name, value);
        }
        else if (value !== false && value !== null && value !== undefined)
            element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child || child === 0));
    return element;
}

export function h(tag, properties = {}, ...children) {
    return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), properties, children);
}

// A table of rows of texts below their heads; the first of each row is its head.
export function table(caption, heads, rows) {
    return h('table', {},
        h('caption', {}, caption),
        h('thead', {}, h('tr', {}, heads.map((head) => h('th', {scope: 'col'}, head)))),
        h('tbody', {}, rows.map(([head, ...cells]) =>
            h('tr', {}, h('th', {scope: 'row'}, head), cells.map((cell) => h('td', {}, cell))))));
}

export function field(label, control) {
    return h('div', {class: 'compare-field'}, h('label', {for: control.id}, label), control);
}

// Draws into box now and whenever its width changes: draw(width).
export function drawnToFit(box, draw) {
    let drawn = 0;
    new ResizeObserver(([entry]) => {
        const width = Math.floor(entry.contentRect.width);
        if (width > 0 && width !== drawn) {
            drawn = width;
            draw(width);
        }
    }).observe(box);
}
