// The records as a table, a page of them at a time.
import {disable} from './aloud.js';
import {threadColour} from './colours.js';
import {duration, number} from './format.js';

const PAGE = 100;

export class Records {
    #records = [];
    #first = 0;
    #stale = true;

    // {details, rows, back, on, shown, count}: elements.
    constructor(elements) {
        this.elements = elements;
        elements.back.addEventListener('click', () => this.#turn(-PAGE));
        elements.on.addEventListener('click', () => this.#turn(PAGE));
        elements.details.addEventListener('toggle', () => this.#draw());
    }

    show(records) {
        this.#records = records.toSorted((a, b) => a.start_time_ns - b.start_time_ns);
        this.#first = 0;
        this.#stale = true;
        // Of a run under way it is not known.
        this.elements.count.textContent = records.length > 0 ? number(records.length) : '';
        this.#draw();
    }

    #turn(by) {
        this.#first += by;
        this.#stale = true;
        this.#draw();
    }

    #draw() {
        if (!this.elements.details.open || !this.#stale) {
            return;
        }
        this.#stale = false;
        const shown = this.#records.slice(this.#first, this.#first + PAGE);
        this.elements.rows.replaceChildren(...shown.map(row));
        const {back, on} = this.elements;
        back.disabled = on.disabled = false;
        disable(on, this.#first + PAGE >= this.#records.length, back);
        disable(back, this.#first === 0, on);
        this.elements.shown.textContent = shown.length === 0 ? 'There are none.'
            : `${number(this.#first + 1)} to ${number(this.#first + shown.length)}, in order of their starts`;
    }
}

function row(record) {
    const line = document.createElement('tr');
    const cells = [record.task_id, record.thread_id, duration(record.start_time_ns), duration(record.duration_ns),
        record.tile_x, record.tile_y, number(record.columns * record.rows)];
    line.append(...cells.map((text) => {
        const cell = document.createElement('td');
        cell.textContent = text;
        return cell;
    }));
    line.cells[1].style.setProperty('--thread', threadColour(record.thread_id));
    line.cells[1].className = 'of-thread';
    return line;
}
