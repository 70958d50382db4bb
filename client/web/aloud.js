// What is read aloud, and where the keyboard goes, for who does not see the page.
const SETTLED_MS = 500; // what is so for less is passed over

const told = document.getElementById('told');
let timer;

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
