// That everybody can use the page in each of its states, light and dark, and that nothing is wider than its place.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {after, before, test} from 'node:test';
import {Browser, Page, Process} from './browser.mjs';
import {STATES} from './reach.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const REFUSED = /^Failed to load resource: /; // what Chromium says of an error that the state is about

let browser;

before(async () => {
    browser = await Browser.start();
});

after(() => browser.close());

for (const [name, {hash, reach}] of Object.entries(STATES)) {
    test(`${name} is for everybody`, async () => {
        const bridge = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
        const page = await Page.open(browser, bridge.url, hash);
        await reach(page, bridge);
        await page.tab.evaluate(AXE);
        for (const colorScheme of ['light', 'dark']) {
            await page.tab.emulateMedia({colorScheme});
            const {violations} = await page.tab.evaluate(() => globalThis.axe.run(document));
            assert.deepEqual(violations.map(({id, nodes}) => [colorScheme, id, nodes.map(({target}) => String(target))]), []);
        }
        for (const width of [320, 360, 768, 1001, 1440]) {
            await page.tab.setViewportSize({width, height: 900});
            const over = await page.tab.evaluate(() => document.documentElement.scrollWidth > innerWidth
                ? [...document.querySelectorAll('main *')].filter((element) => element.getBoundingClientRect().right > innerWidth)
                    .map((element) => element.outerHTML.slice(0, 80)) : []);
            assert.deepEqual(over, [], `wider than ${width} px`);
            const cut = await page.tab.evaluate(() => [...document.querySelectorAll('.scroll, .scroll :is(th, td), .tagline')]
                .filter((element) => element.scrollWidth > element.clientWidth && getComputedStyle(element).visibility === 'visible')
                .map((element) => element.outerHTML.slice(0, 80)));
            assert.deepEqual(cut, [], `cut at ${width} px`);
            const tops = await page.tab.evaluate(() => [...document.querySelectorAll('.compare-headline')].map((headline) =>
                Map.groupBy([...headline.querySelectorAll('dd')].map((figure) => figure.getBoundingClientRect().y), String).size));
            assert.ok(tops.every((rows) => rows <= 2), `figures of a row are not at one height at ${width} px`);
        }
        assert.deepEqual(page.said.filter((line) => !REFUSED.test(line)), []);
        await page.close();
        await bridge.close();
    });
}
