// That everybody can use the page, on whatever screen, and that it loads nothing that it should not.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {test} from 'node:test';
import {Page, Process} from './browser.mjs';
import {SMALL, bridge, browser} from './served.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function violations(page) {
    await page.tab.evaluate(AXE);
    const {violations: found} = await page.tab.evaluate(() => globalThis.axe.run(document));
    return found.map(({id, nodes}) => `${id}: ${nodes.map(({target, failureSummary}) => `${target} ${failureSummary}`)}`);
}

for (const colorScheme of ['light', 'dark']) {
    for (const width of [390, 900, 1600]) {
        test(`axe finds nothing, ${colorScheme}, ${width} px wide`, async () => {
            const page = await Page.open(browser, bridge.url, SMALL);
            await page.tab.setViewportSize({width, height: 900});
            await page.tab.emulateMedia({colorScheme});
            await page.finished();
            await page.id('records').locator('summary').click();
            await page.tab.mouse.move(...await page.point('#picture .over', 0.5, 0.5));
            await page.id('tile').waitFor();
            assert.deepEqual(await violations(page), []);
            assert.deepEqual(page.said, []);
            await page.field('width').fill('0');
            await page.id('run').click();
            await page.id('alert').waitFor();
            assert.deepEqual(await violations(page), []);
            const {scroll, inner} = await page.tab.evaluate(() => (
                {scroll: document.documentElement.scrollWidth, inner: innerWidth}));
            assert.ok(scroll <= inner, `${scroll} px in a window of ${inner}`);
            await page.close();
        });
    }
}

test('the link to the result leaves the settings alone', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.finished();
    await page.tab.keyboard.press('Tab');
    await page.tab.keyboard.press('Enter');
    assert.equal(await page.tab.evaluate(() => document.activeElement.id), 'result');
    assert.equal(await page.field('width').inputValue(), '96');
    assert.ok(page.tab.url().endsWith(`#${SMALL}`));
    await page.close();
});

test('the timeline is zoomed, panned and seen whole again', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.finished();
    const drawn = () => page.tab.evaluate(() => new Promise((resolve) => {
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(
            document.querySelector('#timeline canvas').toDataURL())));
    }));
    const whole = await drawn();
    await page.id('time-in').click();
    const near = await drawn();
    assert.notEqual(near, whole);
    const [x, y] = await page.point('#timeline canvas', 0.5, 0.6);
    await page.tab.mouse.move(x, y);
    await page.tab.mouse.down();
    await page.tab.mouse.move(x - 100, y, {steps: 3});
    await page.tab.mouse.up();
    await page.tab.mouse.move(2, 2);
    assert.notEqual(await drawn(), near);
    await page.tab.locator('#timeline canvas').press('0');
    await page.id('time-fit').focus();
    assert.equal(await drawn(), whole);
    await page.close();
});

test('the timeline hatches the time that is known to be idle', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.finished();
    // Of a run of 1000 ns, one to a CSS pixel: how many colours there are in each part.
    const colours = (run, parts) => page.tab.evaluate(async ([of, all]) => {
        const {Timeline} = await import('/web/timeline.js');
        const place = document.createElement('div');
        place.style.width = `${64 + 1000 + 54}px`;
        document.body.replaceChildren(place);
        new Timeline(place).show({threads: 2, timeLimitNs: 0, changes: [], ...of, records: [
            {task_id: 0, thread_id: 0, start_time_ns: 0, duration_ns: 400},
            {task_id: 1, thread_id: 1, start_time_ns: 300, duration_ns: 700}]});
        await new Promise((resolve) => {
            requestAnimationFrame(() => requestAnimationFrame(resolve));
        });
        const context = place.querySelector('canvas').getContext('2d');
        return all.map(([thread, from, to]) => {
            const {data} = context.getImageData(64 + from + 2, 26 + thread * 30 + 2, to - from - 4, 22);
            return new Set(new Uint32Array(data.buffer)).size;
        });
    }, [run, parts]);
    const busy = [[0, 0, 150], [1, 300, 500]]; // without their numbers
    const idle = [[1, 0, 300], [0, 550, 1000]];
    for (const [run, before, after] of [[{summary: {}, wallNs: 1000}, true, true], [{summary: null, wallNs: 0}, true, false],
        [{summary: {}, wallNs: 1000, changes: [525]}, false, false]]) {
        const counts = await colours(run, [...busy, ...idle]);
        assert.deepEqual(counts.map((count) => count > 1), [false, false, before, after], `${JSON.stringify(run)}: ${counts}`);
    }
    await page.close();
});

test('words on the axis keep apart', async () => {
    const page = await Page.open(browser, bridge.url);
    await page.tab.addInitScript(() => {
        globalThis.words = []; // on the axis, as they were drawn last: [left, right]
        const {fillText} = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
            if (y === 10 && text !== 'busy') {
                const {actualBoundingBoxLeft: left, actualBoundingBoxRight: right} = this.measureText(text);
                globalThis.words.push([x - left, x + right]);
            }
            fillText.call(this, text, x, y);
        };
    });
    await page.tab.setViewportSize({width: 360, height: 900});
    for (const limit of [1, 60, 600000]) {
        await page.follow(`kernel=scalar&max_iter=2000&time_limit_ms=${limit}`);
        await page.finished();
        for (const times of [0, 1, 2, 3]) {
            const words = await page.tab.evaluate((zooms) => new Promise((resolve) => {
                globalThis.words.length = 0;
                document.getElementById('time-fit').click();
                Array.from({length: zooms}, () => document.getElementById('time-in').click());
                requestAnimationFrame(() => requestAnimationFrame(() => resolve(globalThis.words.toSorted((a, b) => a[0] - b[0]))));
            }), times);
            assert.ok(words.length > 0, `no words, limit ${limit}, zoomed ${times} times`); // how many, the run's time decides
            words.slice(1).forEach(([left], i) => assert.ok(left - words[i][1] > 4, `limit ${limit}: ${JSON.stringify(words)}`));
        }
    }
    await page.close();
});

test('what is shown is explained, in one line for each figure on a phone', async () => {
    const page = await Page.open(browser, bridge.url, 'width=640&height=480&tile_w=320&tile_h=240&time_limit_ms=600000');
    await page.tab.setViewportSize({width: 390, height: 900});
    await page.finished();
    assert.match(await page.text('picture-key'), /brighter/);
    await page.tab.locator('#colour [value=thread]').check({force: true});
    assert.match(await page.text('picture-key'), /is a thread/);
    await page.tab.mouse.move(...await page.point('#picture .over', 0.3, 0.3));
    await page.until('tile-pixels', '320 \u00d7 240 = 76,800');
    const heights = await page.tab.locator('#tile dd').evaluateAll((all) => all.map((cell) => cell.offsetHeight));
    assert.ok(heights.every((height) => height < 30), String(heights));
    assert.equal(await page.text('records-count'), '4');
    await page.close();
});

test('what a picture cannot show is said', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    const said = /one is shown|closer together/;
    await page.finished();
    assert.doesNotMatch(await page.text('picture-key'), said);
    await page.follow('width=4096&height=2049&tile_w=4096&tile_h=683&max_iter=1&time_limit_ms=600000');
    await page.finished();
    assert.match(await page.text('picture-key'), /of every 2 × 2 pixels one is shown, and kept as PNG/);
    const {bytes} = await page.download('save-png');
    assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [2048, 1025]);
    for (const [region, fine] of [['-0.75,0.1,1e-13,1e-13', false], ['-0.75,0.1,1e-13,1e-16', true], ['-0.75,0,1e-15,1e-15', true],
        ['1e-30,1e-30,1e-40,1e-30', false], ['1e-30,1e-30,1e-46,1e-30', true]]) {
        await page.follow(`${SMALL}&region=${region}`);
        await page.finished();
        assert.equal(said.test(await page.text('picture-key')), fine, region);
    }
    await page.close();
});

// A page whose service says that its servers have so many CPUs.
async function openWith(cpus, hash) {
    const page = await Page.open(browser, bridge.url);
    await page.tab.route('**/metrics', (route) => route.fulfill(
        {body: cpus.map((count, i) => `tilery_server_cpus{server="tcp://server-${i}:5570"} ${count}\n`).join('')}));
    const told = page.tab.waitForResponse('**/metrics');
    await page.follow(hash);
    await told;
    return page;
}

test('threads are held against the server’s processors, where they are known', async () => {
    const real = await Page.open(browser, bridge.url, SMALL);
    await real.until('processors', /^on [1-9][0-9]* processors?$/);
    await real.close();
    const same = await openWith([96, 96], `${SMALL}&compare=scaling`);
    await same.until('processors', 'on 96 processors');
    assert.equal(await same.id('compare-processors').inputValue(), '96');
    assert.equal(await same.id('compare-most').inputValue(), '64');
    assert.match(await same.text('compare-scaling'), /The server has 96 processors\. Amdahl/);
    assert.equal(await same.text('link'), `${bridge.url}/#${SMALL}&compare=scaling`); // who opens it may have another server
    await same.follow(`${SMALL}&compare=scaling&processors=3`);
    await same.until('processors', 'on 96 processors');
    assert.equal(await same.id('compare-processors').inputValue(), '3');
    await same.close();
    const unlike = await openWith([96, 4], `${SMALL}&compare=scaling`);
    await unlike.until('told', /tiles in/);
    assert.equal(await unlike.text('processors'), '');
    assert.match(await unlike.text('compare-scaling'), /Your browser counts/);
    await unlike.close();
});

test('what a phone is told of the service moves nothing on it', async () => {
    const own = await Process.start('tilery-bridge', '--listen', '127.0.0.1:0');
    const page = await Page.open(browser, own.url, SMALL);
    await page.tab.setViewportSize({width: 390, height: 900});
    await page.until('service-text', 'Serving');
    const height = () => page.tab.locator('.top').evaluate((head) => head.offsetHeight);
    const before = await height();
    await own.close('SIGKILL');
    await page.id('run').click();
    await page.until('service-text', 'Lost');
    assert.equal(await height(), before);
    await page.close();
});

test('what a phone is told of the processors moves nothing on it', async () => {
    const page = await Page.open(browser, bridge.url);
    await page.tab.setViewportSize({width: 360, height: 900});
    let tell;
    const asked = new Promise((resolve) => {
        tell = resolve;
    });
    await page.tab.route('**/metrics', async (route) => {
        await asked;
        await route.continue();
    });
    await page.follow(SMALL);
    await page.finished();
    const place = () => page.id('timeline').evaluate((element) => element.getBoundingClientRect().y + scrollY);
    const before = await place();
    tell();
    await page.until('processors', /^on [1-9]/);
    assert.equal(await place(), before);
    await page.close();
});

test('a new run leaves what is below its sentence where it is', async () => {
    const page = await Page.open(browser, bridge.url, `${SMALL}&kernel=scalar&max_iter=20000`);
    await page.tab.setViewportSize({width: 390, height: 900});
    await page.finished();
    const height = () => page.id('lesson').evaluate((element) => element.offsetHeight);
    const before = await height();
    await page.field('width').fill('4096');
    await page.field('max_iter').fill('65535');
    await page.field('height').fill('4096');
    await page.id('run').click();
    await page.until('status', /^Computing/);
    assert.equal(await page.text('lesson'), '');
    assert.equal(await height(), before);
    await page.id('stop').click();
    await page.until('status', /^Stopped/);
    await page.close();
});

test('a tablet’s width is used', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.tab.setViewportSize({width: 820, height: 900});
    await page.finished();
    const box = (selector) => page.tab.locator(selector).boundingBox();
    const [form, result, view, side] = [await box('#form'), await box('#result'), await box('.view'), await box('.side')];
    assert.ok(form.width > 760 && result.width > 760 && result.y > form.y + form.height, 'form and run are below each other');
    assert.ok(form.height < 500, `the form is ${form.height} px high`);
    assert.ok(side.x > view.x + view.width, 'the tile is told of beside the image');
    await page.close();
});

test('the theme can be chosen, and stays so', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    await page.tab.emulateMedia({colorScheme: 'light'});
    const background = () => page.tab.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await background();
    await page.tab.locator('#theme [value=dark]').check({force: true});
    const dark = await background();
    assert.notEqual(dark, light);
    await page.tab.reload();
    assert.equal(await background(), dark);
    await page.tab.locator('#theme [value=auto]').check({force: true});
    assert.equal(await background(), light);
    await page.close();
});

test('everything comes from the service, under its policy', async () => {
    const page = await Page.open(browser, bridge.url, SMALL);
    const asked = [];
    page.tab.on('request', (request) => asked.push(request.url()));
    const answer = await page.tab.reload();
    await page.finished();
    const {'content-security-policy': policy, ...headers} = answer.headers();
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.ok(asked.length > 15);
    assert.deepEqual(asked.filter((url) => !url.startsWith(`${bridge.url}/`) && !url.startsWith('data:')), []);
    const refused = await page.tab.evaluate(() => new Promise((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
        const script = document.createElement('script');
        script.textContent = 'document.title = "taken"';
        document.head.append(script);
    }));
    assert.equal(refused, 'script-src-elem');
    assert.equal(await page.tab.title(), 'Tilery');
    await page.close();
});
