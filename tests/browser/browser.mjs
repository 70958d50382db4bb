// What the browser's tests share: real servers, and Chromium with nothing in it.
import {spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {setTimeout as delay} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';

export const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
export const BIN = process.env.TILERY_BIN ?? path.join(ROOT, 'build', 'release');

const PATIENCE_MS = 120000;

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

// A server, ready when it says what it listens on.
export class Process {
    static async start(name, ...args) {
        const server = new Process();
        server.child = spawn(path.join(BIN, name), args, {stdio: ['ignore', 'pipe', 'ignore']});
        server.ended = new Promise((resolve) => server.child.on('exit', (code) => resolve(code)));
        for await (const line of createInterface({input: server.child.stdout})) {
            server.url = line.match(/^listening on (\S+)$/)?.[1];
            break;
        }
        if (server.url === undefined) {
            throw new Error(`${name} did not start`);
        }
        server.child.unref(); // a test that fails leaves it, and the tests end all the same
        server.child.stdout.unref();
        process.on('exit', () => server.child.kill('SIGKILL'));
        return server;
    }

    // Its exit status.
    close(signal = 'SIGTERM') {
        this.child.ref();
        this.child.kill(signal);
        return this.ended;
    }
}

// What stands between the page and the service, and cuts its connections, or lets nothing come on them, without a word.
// resumed: the Last-Event-IDs that went through.
export class Cutter {
    resumed = [];
    #silent = false;
    #open = new Map(); // by the page's end of a connection: the service's

    static async start(url) {
        const cutter = new Cutter();
        const {hostname, port} = new URL(url);
        cutter.server = net.createServer((near) => cutter.#join(near, net.connect(port, hostname)));
        await new Promise((resolve) => cutter.server.listen(0, '127.0.0.1', resolve));
        cutter.server.unref();
        cutter.url = `http://127.0.0.1:${cutter.server.address().port}`;
        return cutter;
    }

    #join(near, far) {
        this.#open.set(near, far);
        near.on('data', (bytes) => {
            const id = bytes.toString('latin1').match(/^last-event-id: (\S+)/im)?.[1];
            this.resumed.push(...id ? [id] : []);
        });
        near.pipe(far);
        if (!this.#silent) {
            far.pipe(near);
        }
        for (const socket of [near, far]) {
            socket.on('error', () => {}); // it is cut
            socket.on('close', () => {
                this.#open.delete(near);
                near.destroy();
                far.destroy();
            });
        }
    }

    cut() {
        this.#open.forEach((_, near) => near.resetAndDestroy());
    }

    // Until speak(), for new connections, too.
    hush() {
        this.#silent = true;
        this.#open.forEach((far, near) => far.unpipe(near));
    }

    // stale: nothing comes on those that there are, as where an address has changed hands.
    speak({stale = false} = {}) {
        this.#silent = false;
        if (!stale) {
            this.#open.forEach((far, near) => far.pipe(near));
        }
    }

    close() {
        this.cut();
        return new Promise((resolve) => this.server.close(resolve));
    }
}

export class Browser {
    // keepsPages: those that were left, so that they are as they were when somebody goes back, as browsers do.
    static async start({keepsPages = false} = {}) {
        const browser = new Browser();
        browser.home = mkdtempSync(path.join(tmpdir(), 'tilery-browser-'));
        browser.context = await chromium.launchPersistentContext(browser.home, {
            executablePath: process.env.TILERY_CHROMIUM ?? '/usr/bin/chromium', headless: true, chromiumSandbox: false,
            ignoreDefaultArgs: keepsPages ? ['--disable-back-forward-cache'] : [],
            args: FLAGS, viewport: {width: 1280, height: 900}, reducedMotion: 'reduce',
        });
        return browser;
    }

    async close() {
        await this.context.close();
        rmSync(this.home, {recursive: true, force: true});
    }
}

// Asks until it is so: what is awaited, in words, is what a test fails with that waits in vain.
export async function until(what, so) {
    for (const end = Date.now() + PATIENCE_MS; !await so(); await delay(20)) {
        if (Date.now() > end) {
            throw new Error(`in ${PATIENCE_MS / 1000} s it has not come about that ${what}`);
        }
    }
}

// What a service's metrics say.
export async function metric(url, name) {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(text.match(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm'))[1]);
}

// Bytes come from the page as a text's characters: as an array they take seconds.
const unpack = ({text, ...size}) => ({...size, data: Buffer.from(text, 'latin1')});

// A page of the service, and what it is asked for here. Whatever it says in the console is in said; a resource that was
// refused is said there too, and so are breaches of the Content-Security-Policy.
export class Page {
    // clock: the time of all the pages of that browser can be told to go on: tab.clock.
    static async open(browser, url, hash = '', {clock = false} = {}) {
        const page = new Page();
        page.tab = await browser.context.newPage();
        page.tab.setDefaultTimeout(PATIENCE_MS);
        page.said = [];
        page.tab.on('console', (message) => message.type() === 'error' && page.said.push(message.text()));
        page.tab.on('pageerror', (error) => page.said.push(error.stack));
        page.url = url;
        if (clock) {
            await page.tab.clock.install();
            await page.tab.addInitScript(() => {
                AbortSignal.timeout = (ms) => { // is not the clock's by itself
                    const controller = new AbortController();
                    setTimeout(() => controller.abort(new DOMException('', 'TimeoutError')), ms);
                    return controller.signal;
                };
            });
        }
        await page.tab.goto(`${url}/#${hash}`);
        return page;
    }

    // With other settings, as a link that was followed.
    async follow(hash) {
        await this.tab.goto('about:blank');
        await this.tab.goto(`${this.url}/#${hash}`);
    }

    // tab.url() comes later.
    address() {
        return this.tab.evaluate(() => location.href);
    }

    id(name) {
        return this.tab.locator(`#${name}`);
    }

    field(name) {
        return this.tab.locator(`#form [name=${name}]`);
    }

    text(name) {
        return this.id(name).textContent();
    }

    // Until the element's text is such.
    until(name, pattern) {
        return this.tab.locator(`#${name}`, {hasText: pattern}).waitFor();
    }

    finished() {
        return this.until('status', /tiles? in |time limit came/);
    }

    // {width, height, data}: of the image, as it is shown, four bytes to a pixel.
    async pixels() {
        return unpack(await this.tab.evaluate(() => {
            const canvas = document.querySelector('#picture .pixels');
            const {width, height} = canvas;
            const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
            return {width, height, text: Array.from(data, (byte) => String.fromCharCode(byte)).join('')};
        }));
    }

    // The same of the service's own picture.
    async served(query) {
        return unpack(await this.tab.evaluate(async (address) => {
            const bitmap = await createImageBitmap(await (await fetch(address)).blob());
            const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
            context.drawImage(bitmap, 0, 0);
            const {width, height} = bitmap;
            const {data} = context.getImageData(0, 0, width, height);
            return {width, height, text: Array.from(data, (byte) => String.fromCharCode(byte)).join('')};
        }, `api/compute/image.png?${query}`));
    }

    // At so much of an element's width and height.
    async point(selector, x, y) {
        const locator = this.tab.locator(selector);
        await locator.scrollIntoViewIfNeeded();
        const box = await locator.boundingBox();
        return [box.x + x * box.width, box.y + y * box.height];
    }

    async slide(name, value) {
        await this.id(name).evaluate((element, to) => {
            element.value = to;
            element.dispatchEvent(new Event('input', {bubbles: true}));
        }, value);
    }

    async download(name) {
        const [download] = await Promise.all([this.tab.waitForEvent('download'), this.id(name).click()]);
        return {name: download.suggestedFilename(), bytes: readFileSync(await download.path())};
    }

    close() {
        return this.tab.close();
    }
}
