// What the browser's tests share: real servers, and Chromium with nothing in it.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';

export const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
export const BIN = process.env.TILERY_BIN ?? path.join(ROOT, 'build', 'release');

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

// A server, ready when it says what it listens on.
export class Process {
    static async start(name, ...args) {
        const process = new Process();
        process.child = spawn(path.join(BIN, name), args, {stdio: ['ignore', 'pipe', 'ignore']});
        process.ended = new Promise((resolve) => process.child.on('exit', (code) => resolve(code)));
        for await (const line of createInterface({input: process.child.stdout})) {
            process.url = line.match(/^listening on (\S+)$/)?.[1];
            break;
        }
        if (process.url === undefined) {
            throw new Error(`${name} did not start`);
        }
        return process;
    }

    // Its exit status.
    close(signal = 'SIGTERM') {
        this.child.kill(signal);
        return this.ended;
    }
}

export class Browser {
    static async start() {
        const browser = new Browser();
        browser.home = mkdtempSync(path.join(tmpdir(), 'tilery-browser-'));
        browser.context = await chromium.launchPersistentContext(browser.home, {
            executablePath: process.env.TILERY_CHROMIUM ?? '/usr/bin/chromium', headless: true, chromiumSandbox: false,
            args: FLAGS, viewport: {width: 1280, height: 900}, reducedMotion: 'reduce',
        });
        return browser;
    }

    async close() {
        await this.context.close();
        rmSync(this.home, {recursive: true, force: true});
    }
}
