// That README.md's picture of the page can be made anew.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {ROOT} from './browser.mjs';

const SHOWN = path.join(ROOT, 'client', 'web', 'screenshot.png');

// The signature, and width and height.
const head = (png) => png.subarray(0, 24).toString('hex');

test('a screenshot is as large as the one that is shown, which is left alone', (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tilery-screenshot-'));
    t.after(() => rmSync(folder, {recursive: true}));
    const file = path.join(folder, 'page.png');
    const shown = readFileSync(SHOWN);
    const program = path.join(ROOT, 'tests', 'browser', 'screenshot.mjs');
    const {status, stderr} = spawnSync(process.execPath, [program, file], {encoding: 'utf8'});
    assert.equal(status, 0, stderr);
    const taken = readFileSync(file);
    assert.equal(head(taken), head(shown));
    assert.equal(taken.readUInt32BE(16), 1280);
    assert.equal(taken.subarray(-8, -4).toString(), 'IEND');
    assert.deepEqual(readFileSync(SHOWN), shown);
});
