import '@angular/compiler';
import { provideZonelessChangeDetection, type ApplicationRef, type EnvironmentProviders } from '@angular/core';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { build } from 'esbuild';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client } from 'rxetcd';
import { provideEtcd } from 'rxetcd/angular';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { PATIENT } from '../support/patient.js';
import { waitForValue } from '../support/waitFor.js';
import { App } from './serverRendering/app.js';
import { serveSite, type Site } from './site.js';
import { startBrowser } from './support.js';

type Bootstrap = (context: object) => Promise<ApplicationRef>;

// The types are declared here, so that the type check does not need the packages.
const { bootstrapApplication, provideClientHydration } = jest.requireActual<{
  bootstrapApplication(app: typeof App, config: { providers: EnvironmentProviders[] }, context: object): Promise<ApplicationRef>;
  provideClientHydration(): EnvironmentProviders;
}>('@angular/platform-browser');
const { provideServerRendering, renderApplication } = jest.requireActual<{
  provideServerRendering(): EnvironmentProviders;
  renderApplication(bootstrap: Bootstrap, options: { document: string; url: string }): Promise<string>;
}>('@angular/platform-server');

const root = join(__dirname, '../..');
const SINCE = '2026-01-02T03:04:05.000Z';
const CONFIG = `red ${Date.parse(SINCE)}`;

/** The rendered HTML, and the states of the page until it shows a change. */
const RENDERED = [
  `reactive live ${CONFIG}`,
  `fixed live ${CONFIG}`,
  'missing live undefined',
  'range live app/names/a=ä,app/names/b=2',
  'all live red 1 app/names/a=ä,app/names/b=2',
];

let etcd: EtcdServer;
let client: Client;
let browser: Browser;
let script: string;
beforeAll(async () => {
  etcd = await startEtcd({ own: true });
  browser = await startBrowser();
  client = createClient({ ...PATIENT, endpoints: etcd.endpoint });
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, 'serverRendering/page.mjs')],
    ...{ bundle: true, platform: 'browser', format: 'esm', write: false, logLevel: 'error', tsconfigRaw: '{}' },
    alias: { rxetcd: join(root, 'src/index.browser.ts'), 'rxetcd/angular': join(root, 'src/angular/index.ts') },
  });
  script = outputFiles[0]?.text ?? '';
});
afterAll(async () => {
  await client.close();
  await browser.close();
  await etcd.stop();
});

beforeEach(async () => {
  await firstValueFrom(client.kv.delete({ prefix: 'app/' }));
  for (const [key, value] of Object.entries({ config: JSON.stringify({ color: 'red', since: SINCE }), 'names/a': 'ä', 'names/b': '2' }))
    await firstValueFrom(client.kv.put(`app/${key}`, value));
});

const DOCUMENT = '<!doctype html><title></title><app-root></app-root><script type="module" src="/page.js"></script>';

/** Renders the app on this server. */
function render(endpoint = etcd.endpoint, serverTimeoutMs = 60_000): Promise<string> {
  App.serverTimeoutMs = serverTimeoutMs;
  return renderApplication(
    (context) =>
      bootstrapApplication(
        App,
        {
          providers: [
            provideServerRendering(),
            provideClientHydration(),
            provideZonelessChangeDetection(),
            provideEtcd({ endpoints: endpoint }),
          ],
        },
        context,
      ),
    { document: DOCUMENT, url: '/' },
  );
}

/** Serves a rendered page, and opens it. */
async function withPage(html: string, run: (page: Page) => Promise<void>): Promise<void> {
  const site: Site = await serveSite(etcd.endpoint, (path) =>
    path === '/page.js' ? { type: 'text/javascript', body: script } : { type: 'text/html;charset=utf-8', body: html },
  );
  const page = await browser.newPage();
  try {
    await page.goto(site.origin);
    await page.waitForFunction('globalThis.page !== undefined');
    await run(page);
  } finally {
    await page.close();
    await site.close();
  }
}

const viewsOf = (page: Page): Promise<readonly (readonly string[])[]> => page.evaluate('globalThis.page.views()');

test('a page starts with the state that its server rendered, without flicker, and shows the next change', async () => {
  const html = await render();
  for (const line of RENDERED) expect(html).toContain(`<p>${line}</p>`);
  await withPage(html, async (page) => {
    await waitForValue(
      () => page.evaluate<string>('document.querySelector("i").textContent'),
      (text) => text === 'apart live',
    );
    await firstValueFrom(client.kv.put('app/names/b', '3'));
    await waitForValue(
      () => viewsOf(page),
      (views) => views.at(-1)?.[4]?.endsWith('b=3') === true && views.at(-1)?.[3]?.endsWith('b=3') === true,
    );
    const views = await viewsOf(page);
    expect(views[0]).toEqual(RENDERED);
    // The page never shows `loading`, or any other value in between.
    for (const view of views) {
      expect(view.slice(0, 3)).toEqual(RENDERED.slice(0, 3));
      expect(RENDERED.slice(3)).toEqual(view.slice(3).map((line) => line.replace('b=3', 'b=2')));
    }
    expect(await page.evaluate('globalThis.page.isTakenOver()')).toBe(true);
    expect(await page.evaluate('globalThis.page.other()')).toMatch(/^reactive (loading|live) undefined/);
  });
});

test('a page whose server finds no etcd is rendered with `loading`, and connects later by itself', async () => {
  const html = await render('http://127.0.0.1:1', 2_000);
  expect(html).toContain('<p>reactive loading undefined undefined</p>');
  await withPage(html, async (page) => {
    await waitForValue(
      () => viewsOf(page),
      (views) => JSON.stringify(views.at(-1)) === JSON.stringify(RENDERED),
    );
  });
});
