// Light, dark, or as the system has it. Loaded before anything is drawn.
const KEY = 'tilery-theme';

function apply(theme) {
    if (theme === 'light' || theme === 'dark') {
        document.documentElement.dataset.theme = theme;
    } else {
        delete document.documentElement.dataset.theme;
    }
}

apply(localStorage.getItem(KEY));

export function mountTheme(fieldset) {
    const now = document.documentElement.dataset.theme ?? 'auto';
    fieldset.querySelector(`[value=${now}]`).checked = true;
    fieldset.addEventListener('change', (event) => {
        localStorage.setItem(KEY, event.target.value);
        apply(event.target.value);
    });
}
