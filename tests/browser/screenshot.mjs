// Usage: node tests/browser/screenshot.mjs      (after tests/browser/run.sh look)
//
// Makes client/web/screenshot.png, which README.md shows.
import path from 'node:path';
import {Browser, Page, Process, ROOT} from './browser.mjs';

const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
const browser = await Browser.start();
const page = await Page.open(browser, bridge.url, 'kernel=scalar&max_iter=1000&time_limit_ms=60000');
await page.tab.setViewportSize({width: 1280, height: 1010});
await page.finished();
await page.tab.locator('#colour [value=thread]').check({force: true});
await page.tab.mouse.move(...await page.point('#picture .over', 0.6, 0.55));
await page.id('tile').waitFor();
await page.tab.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
await page.tab.screenshot({path: path.join(ROOT, 'client', 'web', 'screenshot.png')});
await browser.close();
await bridge.close();
