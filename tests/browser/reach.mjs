// The states that the page has, and how it comes into each.
const RUN = 'kernel=scalar&max_iter=1000&time_limit_ms=600000';
const SLOW = 'max_iter=65535&kernel=scalar&schedule=dynamic&time_limit_ms=600000&width=512&height=384&tile_w=32&tile_h=32';

// What is above grows when the page's own run is over: a click before that may land beside its tab.
async function done(page, kind, rounds) {
    await page.finished();
    await page.id(`compare-tab-${kind}`).click();
    await page.id(`compare-rounds-${kind}`).fill(rounds);
    const panel = page.id(`compare-${kind}`);
    await panel.getByRole('button', {name: 'Compare', exact: true}).click();
    await panel.getByText(/^Done/).waitFor();
    return panel;
}

async function compared(page, kind, rounds = '3') {
    const panel = await done(page, kind, rounds);
    await panel.locator('.compare-runs summary').click();
    return panel;
}

async function byThread(page) {
    await page.finished();
    await page.tab.locator('#colour [value=thread]').check({force: true});
}

// Each brings a page that was opened with its settings into its state.
export const STATES = {
    'running': {hash: SLOW, reach: (page) => page.until('figure-tiles', /^([2-9]|[0-9]{2,}) of/)},
    'done': {hash: RUN, reach: (page) => page.finished()},
    'threads': {hash: RUN, async reach(page) {
        await byThread(page);
        await page.tab.locator('#picture .over').press('Home');
        await page.tab.locator('#picture .over').press('ArrowDown');
    }},
    'replay': {hash: `${RUN}&schedule=dynamic&num_threads=20&tile_w=40&tile_h=40`, async reach(page) {
        await byThread(page);
        await page.slide('scrubber', 500);
    }},
    'limited': {hash: 'kernel=scalar&max_iter=5000&time_limit_ms=60', reach: (page) => page.finished()},
    'nothing': {hash: 'time_limit_ms=0', reach: (page) => page.finished()},
    'crowded': {hash: `${RUN}&schedule=dynamic&num_threads=256&tile_w=16&tile_h=16`, reach: byThread},
    'zoomed': {hash: 'region=-0.7515,0.0985,0.016,0.009&width=960&height=540&max_iter=2000&time_limit_ms=600000',
        async reach(page) {
            await page.finished();
            await page.id('time-in').click();
            await page.id('time-in').click();
        }},
    'tables': {hash: RUN, async reach(page) {
        await page.finished();
        await page.id('records').evaluate((element) => element.setAttribute('open', ''));
        await page.id('elsewhere').evaluate((element) => element.setAttribute('open', ''));
        await page.id('more').evaluate((element) => element.setAttribute('open', ''));
    }},
    'error': {hash: RUN, async reach(page) {
        await page.finished();
        await page.field('max_iter').evaluate((element) => element.closest('details').setAttribute('open', ''));
        await page.field('max_iter').fill('65536');
        await page.id('run').click();
        await page.id('alert').waitFor();
    }},
    'compare-concurrent': {hash: RUN, reach: (page) => compared(page, 'concurrent')},
    'compare-schedules': {hash: RUN, reach: (page) => compared(page, 'schedules')},
    'compare-scaling': {hash: RUN, async reach(page) {
        const panel = await compared(page, 'scaling', '2');
        await panel.locator('.compare-law summary').click();
    }},
    'compare-cut': {hash: 'kernel=scalar&max_iter=5000&time_limit_ms=30', async reach(page) {
        const panel = await done(page, 'concurrent', '1');
        await panel.locator('.cut').waitFor();
    }},
    'gone': {hash: RUN, async reach(page, bridge) {
        await page.finished();
        await bridge.close('SIGKILL');
        await page.id('run').click();
        await page.id('alert').waitFor();
    }},
    'lost': {hash: SLOW, async reach(page, bridge) {
        await page.until('figure-tiles', /^([2-9]|[0-9]{2,}) of/);
        await bridge.close('SIGKILL');
        await page.until('service-text', /Lost/);
    }},
};
