import { build } from 'esbuild';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { ClientOptions } from '../../src/index.js';
import type { PageFunctions } from './page.js';
import { serveSite, type Site, type SiteFile } from './site.js';

export type { Site } from './site.js';

/** The names under which Debian and others install Chromium. */
const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Starts Chromium. If it is missing, rejects with the way to install it. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = [process.env['CHROMIUM'] ?? '', ...PATHS].find((path) => path !== '' && existsSync(path));
  if (executablePath === undefined)
    throw new Error('there is no Chromium for the tests in test/browser: run apt-get install chromium, or set CHROMIUM to its path');
  // Root needs the first flag. With the others it does not look for devices that a machine without a screen lacks.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
}

/** The folder into which the scripts of a page would be written. */
const SCRIPTS = resolve('/scripts');

/** Serves a page with the functions of page.ts, for an etcd that is reached through it. */
export async function startSite(etcd: string): Promise<Site> {
  return serveSite(etcd, await pageFiles());
}

/** Builds the page with the functions of page.ts. Returns the function that finds its files. */
export async function pageFiles(): Promise<(path: string) => SiteFile> {
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, 'page.ts')],
    ...{ bundle: true, platform: 'browser', format: 'esm', write: false, logLevel: 'error' },
    // Rare parts are separate files, as in a real page.
    ...{ splitting: true, outdir: SCRIPTS },
    tsconfigRaw: '{}',
  });
  const scripts = new Map(outputFiles.map(({ path, text }) => [path.slice(SCRIPTS.length), text]));
  const page = '<!doctype html><title></title><script type="module" src="/page.js"></script>';
  return (path) => {
    const script = scripts.get(path);
    return script === undefined ? { type: 'text/html', body: page } : { type: 'text/javascript', body: script };
  };
}

/** A page with a client. */
export class ClientPage {
  constructor(readonly page: Page) {}

  /** Opens the page of a site. */
  static async open(browser: Browser, site: Site, options: ClientOptions): Promise<ClientPage> {
    const opened = new ClientPage(await browser.newPage({ ignoreHTTPSErrors: true }));
    await opened.page.goto(site.origin);
    await opened.page.waitForFunction('globalThis.page !== undefined');
    const refused = await opened.call('open', options);
    if (refused !== undefined) throw new Error(refused);
    return opened;
  }

  /**
   * Closes the client, if the page still exists, and the page. If the client is not closed, etcd 3.5 may keep its
   * watches.
   */
  async close(): Promise<void> {
    await this.page.evaluate('globalThis.page?.close().then(() => undefined)');
    await this.page.close();
  }

  /** Calls a function of page.ts in the page. */
  call<N extends keyof PageFunctions>(name: N, ...args: Parameters<PageFunctions[N]>): Promise<Awaited<ReturnType<PageFunctions[N]>>> {
    return this.page.evaluate(`globalThis.page[${JSON.stringify(name)}](...${JSON.stringify(args)})`);
  }
}
