// For a file whose tests share a bridge and a browser, from the first of them to the last. A before() of its own would not wait
// for them.
import assert from 'node:assert/strict';
import {after, before} from 'node:test';
import {Browser, Process} from './browser.mjs';

export const SMALL = 'width=96&height=96&tile_w=32&tile_h=32&max_iter=64&time_limit_ms=600000&num_threads=2';

export let bridge, browser;

before(async () => {
    bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    browser = await Browser.start();
});

after(async () => {
    await browser.close();
    assert.equal(await bridge.close(), 0);
});
