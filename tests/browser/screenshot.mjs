// Usage: node tests/browser/screenshot.mjs [FILE]      (after tests/browser/run.sh look)
//
// Makes client/web/screenshot.png, which README.md shows, or the file, of the run that was disturbed least.
import path from 'node:path';
import {Browser, Page, Process, ROOT} from './browser.mjs';

const RUNS = 10;
const [file = path.join(ROOT, 'client', 'web', 'screenshot.png')] = process.argv.slice(2);

const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
const browser = await Browser.start();
const page = await Page.open(browser, bridge.url, 'kernel=scalar&max_iter=1000&time_limit_ms=60000&colour=thread');
await page.tab.setViewportSize({width: 1280, height: 1080});
let least = Infinity;
for (let i = 0; i < RUNS; i++) {
    await page.finished();
    const {summary} = JSON.parse((await page.download('save-json')).bytes);
    if (summary.wall_ns < least) {
        least = summary.wall_ns;
        await page.tab.mouse.move(...await page.point('#picture .over', 0.6, 0.55));
        await page.id('tile').waitFor();
        await page.tab.evaluate(() => new Promise((resolve) => {
            scrollTo(0, 0);
            requestAnimationFrame(() => requestAnimationFrame(resolve));
        }));
        await page.tab.screenshot({path: file});
    }
    await page.id('run').click();
    await page.tab.locator('#result[data-busy=false]').waitFor();
}
await browser.close();
await bridge.close();
