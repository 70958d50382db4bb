// Usage: node tests/browser/states.mjs FOLDER [STATE...]      (after tests/browser/run.sh look)
//
// Takes pictures of the page in each of its states, at three widths, in light and in dark, into FOLDER: to be looked at.
import {mkdirSync} from 'node:fs';
import path from 'node:path';
import {Browser, Page, Process} from './browser.mjs';
import {STATES} from './reach.mjs';

const WIDTHS = {phone: 360, tablet: 768, wide: 1440};

async function pictures(page, name, folder) {
    for (const [size, width] of Object.entries(WIDTHS)) {
        await page.tab.setViewportSize({width, height: 900});
        for (const colorScheme of ['light', 'dark']) {
            await page.tab.emulateMedia({colorScheme});
            await page.tab.evaluate(() => new Promise((resolve) => {
                requestAnimationFrame(() => requestAnimationFrame(resolve));
            }));
            await page.tab.screenshot({path: path.join(folder, `${name}-${size}-${colorScheme}.png`), fullPage: true});
        }
    }
}

const [folder, ...names] = process.argv.slice(2);
if (folder === undefined || !names.every((name) => name in STATES)) {
    console.error(`usage: states.mjs FOLDER [STATE...], of ${Object.keys(STATES).join(', ')}`);
    process.exit(64);
}
mkdirSync(folder, {recursive: true});
const browser = await Browser.start();
for (const name of names.length > 0 ? names : Object.keys(STATES)) {
    const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0'); // its own: it may not outlive the state
    const page = await Page.open(browser, bridge.url, STATES[name].hash);
    await STATES[name].reach(page, bridge);
    await pictures(page, name, folder);
    await page.close();
    await bridge.close();
}
await browser.close();
