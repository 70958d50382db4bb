// Comparisons of runs.
export function mountCompare(section, {form, api}) {
    section.hidden = true;
    void form;
    void api;
}
