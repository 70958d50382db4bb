// For who does not see the page: what is read aloud, what canvases show, and where the keyboard goes.
const SETTLED_MS = 500; // what is so for less is passed over

const told = document.getElementById('told');
let timer;
let descriptions = 0;

// Reads text aloud, unless there is something else to be told soon.
export function tell(text) {
    clearTimeout(timer);
    timer = setTimeout(() => {
        told.textContent = text;
    }, SETTLED_MS);
}

// Where it is disabled, the keyboard goes on to another control, if it was there.
export function disable(control, disabled, next) {
    const held = disabled && document.activeElement === control;
    control.disabled = disabled;
    if (held) {
        next.focus({preventScroll: true});
    }
}

// What the canvas in a container shows, as its description.
export function describe(container, text) {
    let description = container.querySelector('.unseen');
    if (description === null) {
        description = document.createElement('p');
        description.className = 'unseen';
        description.id = `described-${++descriptions}`;
        container.append(description);
        container.querySelector('[role=application]').setAttribute('aria-describedby', description.id);
    }
    description.textContent = text;
}
