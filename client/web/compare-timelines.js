// Two runs on one time axis, one above the other; the tile under the pointer is shown in both.
import {h} from './compare-dom.js';
import {duration} from './format.js';
import {Timeline} from './timeline.js';

class Lane {
    constructor(letter) {
        this.name = h('span');
        this.took = h('small');
        this.box = h('div');
        this.element = h('section', {class: `side-${letter}`},
            h('h3', {}, h('span', {class: 'swatch'}), this.name, this.took), this.box);
        this.timeline = new Timeline(this.box, {label: 'Timeline, a lane for each thread'});
        this.run = null;
    }

    show({name, typical}) {
        this.run = typical;
        this.name.textContent = name;
        this.took.textContent = `${duration(typical.summary.wall_ns)}, the run next to the median`;
        this.timeline.show(typical);
    }

    mark(record) {
        const same = ({task_id}) => task_id === record.task_id;
        this.timeline.highlight(record === null ? null : this.run.records.find(same) ?? null);
    }
}

// Made once and shown anew: a timeline lives as long as the page.
export class TwoTimelines {
    #lanes = [new Lane('a'), new Lane('b')];

    constructor() {
        this.element = h('div', {class: 'compare-timelines'}, this.#lanes.map(({element}) => element));
        for (const {timeline} of this.#lanes) {
            timeline.onHover((record) => this.#lanes.forEach((lane) => lane.mark(record)));
        }
    }

    // sides: of each, its name and its typical run.
    show(sides) {
        const longest = Math.max(...sides.map(({typical}) => typical.summary.wall_ns));
        this.#lanes.forEach((lane, i) => {
            lane.show(sides[i]);
            lane.timeline.setScale(longest);
        });
        return this.element;
    }
}
