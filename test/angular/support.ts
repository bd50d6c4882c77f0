import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { lastValueFrom, type Observable } from 'rxjs';
import { createClient, type Client, type ClientOptions } from '../../src/index.js';
import { serveSite, type Site } from '../browser/site.js';
import { startBrowser } from '../browser/support.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { PATIENT } from '../support/patient.js';
import { waitForValue } from '../support/waitFor.js';

/** The app of examples/angular, as `ng build` writes it. */
const APP = join(__dirname, '../../examples/angular/dist/example/browser');
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
const SETTINGS = /(<script [^>]*id="settings"[^>]*>)[^<]*/;

/** How a page reaches an etcd: across origins, as its CORS allows, or through the site of the page. */
export type Way = readonly [version: string, way: 'across origins' | 'through the site'];

export const WAYS: readonly Way[] = [
  ['3.5', 'across origins'],
  ['3.4', 'across origins'],
  ['3.3', 'through the site'],
];

/** The settings of a deployment, in index.html. */
export interface AppSettings {
  readonly endpoint: string;
  readonly login: boolean;
  readonly rooms: readonly string[];
}

/** Serves the app with the settings of a deployment. */
function serveApp(etcd: string, settings: AppSettings): Promise<Site> {
  const files = new Map(readdirSync(APP).map((name) => [`/${name}`, readFileSync(join(APP, name))]));
  const index = String(files.get('/index.html')).replace(SETTINGS, (_, tag: string) => tag + JSON.stringify(settings));
  return serveSite(etcd, (path) => {
    const body = files.get(path);
    return body === undefined || path === '/index.html'
      ? { type: 'text/html', body: index }
      : { type: TYPES[extname(path)] ?? 'application/octet-stream', body };
  });
}

/** A page with the app, which a test reads and uses as a user does. */
export class AppPage {
  constructor(readonly page: Page) {}

  /** Waits until an element has a text. */
  async shows(selector: string, text: string | RegExp): Promise<void> {
    await this.page.locator(selector).filter({ hasText: text }).first().waitFor();
  }

  /** Waits until no element has a text. */
  async hides(selector: string, text: string | RegExp): Promise<void> {
    await this.page.locator(selector).filter({ hasText: text }).first().waitFor({ state: 'detached' });
  }

  async click(section: string, button: string): Promise<void> {
    await this.page.locator(`${section} button`, { hasText: button }).click();
  }

  /** Waits until the page is painted, and returns the color of its header. */
  async isPainted(color: string): Promise<void> {
    await this.page.waitForFunction(`getComputedStyle(document.querySelector('header')).backgroundColor === '${color}'`);
  }

  /** Clicks a button of the config, and returns how long its write took in the page, in milliseconds. */
  async write(button: string): Promise<number> {
    const written = this.page.locator('#written');
    const before = Number(await written.getAttribute('data-writes'));
    await this.click('#config', button);
    // The count is read, as the text may still be that of the write before.
    await this.page.locator(`#written[data-writes="${before + 1}"]`).waitFor();
    const text = (await written.textContent()) ?? '';
    const [, ms] = /written in (\d+) ms/.exec(text) ?? [];
    if (ms === undefined) throw new Error(`the write of ${button} failed: ${text}`);
    return Number(ms);
  }
}

/** An etcd behind a proxy that can cut its connections, a client for it, and the app. */
export interface Bench {
  readonly etcd: EtcdServer;
  readonly proxy: TcpProxy;
  readonly admin: Client;
  /** Opens the app in a new tab. */
  open(settings?: Partial<AppSettings>): Promise<AppPage>;
  put(key: string, value: unknown): Promise<void>;
  run<T>(call: Observable<T>): Promise<T>;
}

let browser: Browser | undefined;

/** Starts an etcd for the tests of a block. Pages are closed after each test. */
export function withApp([version, way]: Way, adminOptions: ClientOptions = {}): () => Bench {
  let bench: Bench;
  const sites: Site[] = [];
  const pages: Page[] = [];
  beforeAll(async () => {
    browser ??= await startBrowser();
    const etcd = await startEtcd({ version, own: true, ...(way === 'across origins' ? { args: ['--cors=*'] } : {}) });
    const proxy = await startTcpProxy(etcd.endpoint);
    const admin = createClient({ ...PATIENT, endpoints: etcd.endpoint, ...adminOptions });
    const endpoint = way === 'across origins' ? proxy.endpoint : '/etcd';
    const run = <T>(call: Observable<T>): Promise<T> => lastValueFrom(call);
    const open = async (settings: Partial<AppSettings> = {}): Promise<AppPage> => {
      const site = await serveApp(proxy.endpoint, { endpoint, login: false, rooms: [], ...settings });
      sites.push(site);
      const page = await browser!.newPage();
      pages.push(page);
      page.setDefaultTimeout(60_000);
      await page.goto(site.origin);
      return new AppPage(page);
    };
    const put = async (key: string, value: unknown): Promise<void> => void (await run(admin.kv.put(key, JSON.stringify(value))));
    bench = { etcd, proxy, admin, open, put, run };
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
    for (const site of sites.splice(0)) await site.close();
  });
  afterAll(async () => {
    await bench.admin.close();
    await bench.proxy.close();
    await bench.etcd.stop();
  });
  return () => bench;
}

/** Closes the browser of all blocks of this file. */
export function closeBrowserAtEnd(): void {
  afterAll(() => browser?.close());
}

/**
 * Waits until the server has no watch of a page. The gateway of Debian's etcd 3.5 misses the end of a WebSocket now and
 * then, until it writes to it: there, the config and a service change meanwhile.
 */
export async function allWatchesLeft({ etcd, put }: Bench): Promise<void> {
  await waitForValue(
    async () => {
      if (etcd.version.startsWith('3.5'))
        for (const key of ['app/config', 'services/a']) await put(key, { title: 'Meanwhile', color: 'teal' });
      return watchersAt(etcd);
    },
    (count) => count === 0,
  );
}

/** Reads how many watches a server has. */
export async function watchersAt({ endpoint }: EtcdServer): Promise<number> {
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(metrics)?.[1] ?? Number.NaN);
}
