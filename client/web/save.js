// What was seen, as files.
import {CHANGE} from './marks.js';

function give(blob, name) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000); // some browsers begin late
}

const json = (value) => new Blob([JSON.stringify(value)], {type: 'application/json'});

// As the service's answer with precision=ns and summary=1.
export function saveJson(run) {
    const {mode, region, ...params} = run.params;
    const message = `${mode === 'sequential' ? 'Sequential' : 'Concurrent'} tasks executed successfully`;
    const data = run.records.toSorted((a, b) => a.start_time_ns - b.start_time_ns)
        .map(({since_ns: since, ...record}) => ({...record, start_time_ns: record.start_time_ns - since}));
    const part = region === '' ? {} : {region};
    give(json({success: true, data, params: {...params, ...part, mode}, message, summary: run.summary}), 'tilery.json');
}

// As the service's trace.json: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
export function saveTrace(run) {
    const names = Array.from({length: run.threads}, (_, tid) => (
        {ph: 'M', pid: 1, tid, name: 'thread_name', args: {name: `thread ${tid}`}}));
    const bars = run.records.map((record) => ({
        ph: 'X', pid: 1, tid: record.thread_id, name: `tile ${record.task_id}`, cat: 'tile', ts: record.start_time_ns / 1000,
        dur: record.duration_ns / 1000,
        args: {tile_x: record.tile_x, tile_y: record.tile_y, pixels: record.columns * record.rows},
    }));
    const changes = run.changes.map((ns) => ({ph: 'i', pid: 1, tid: 0, name: CHANGE, s: 'g', ts: ns / 1000}));
    give(json({displayTimeUnit: 'ns', traceEvents: [...names, ...bars, ...changes]}), 'tilery-trace.json');
}

export function savePng(canvas) {
    canvas.toBlob((blob) => give(blob, 'tilery.png'), 'image/png');
}
