// A run's records by thread.
import {endOf} from './format.js';

// The first index whose item is not `before`, in an array where those that are stand first.
function firstNot(items, before) {
    let low = 0;
    let high = items.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (before(items[middle])) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

export class Lanes {
    records = []; // by thread, in order of their starts
    busyNs = []; // by thread
    endNs = 0; // when the last record ended

    constructor(threads = 0) {
        this.grow(threads);
    }

    grow(threads) {
        while (this.records.length < threads) {
            this.records.push([]);
            this.busyNs.push(0);
        }
    }

    add(record) {
        this.grow(record.thread_id + 1);
        const lane = this.records[record.thread_id];
        const last = lane.at(-1);
        if (last === undefined || last.start_time_ns <= record.start_time_ns) {
            lane.push(record);
        } else {
            lane.splice(firstNot(lane, (other) => other.start_time_ns <= record.start_time_ns), 0, record);
        }
        this.busyNs[record.thread_id] += record.duration_ns;
        this.endNs = Math.max(this.endNs, endOf(record));
    }

    // The index of the lane's first record that ends after that time.
    from(thread, ns) {
        return firstNot(this.records[thread] ?? [], (record) => endOf(record) <= ns);
    }

    // What the thread is at, or null.
    at(thread, ns) {
        const record = this.records[thread]?.[this.from(thread, ns)];
        return record !== undefined && record.start_time_ns <= ns ? record : null;
    }
}
