import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { createClient, type ClientOptions } from '../../src/index.js';
import { concat, lastValueFrom } from 'rxjs';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { PATIENT } from '../support/patient.js';
import { waitForValue } from '../support/waitFor.js';
import { ClientPage, startBrowser, startSite, type Site } from './support.js';

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());

type Way = readonly [version: string, way: 'across origins' | 'through the site'];

/** The ways to an etcd: across origins, as its CORS allows, or through the site of the page. */
const WAYS: readonly Way[] = [
  ['3.5', 'across origins'],
  ['3.4', 'across origins'],
  ['3.3', 'through the site'],
];

/**
 * A page sends its last messages and the end of a WebSocket in two writes. If etcd 3.5 has responded in between, it
 * detects the end by its next progress notification. It would otherwise send one every ten minutes.
 */
const SOON_NOTICED = '--experimental-watch-progress-notify-interval=500ms';

/** Starts an etcd and a site for the tests of a block. Returns them, and the function that opens a page with a client. */
function withPages(...[version, way]: Way) {
  let etcd: EtcdServer;
  let site: Site;
  const pages: ClientPage[] = [];
  beforeAll(async () => {
    etcd = await startEtcd({ version, own: true, ...(way === 'across origins' ? { args: ['--cors=*', SOON_NOTICED] } : {}) });
    site = await startSite(etcd.endpoint);
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
  });
  afterAll(async () => {
    await site.close();
    await etcd.stop();
  });
  return {
    etcd: () => etcd,
    open: async (options: ClientOptions = {}): Promise<ClientPage> => {
      const opened = await ClientPage.open(browser, site, { endpoints: way === 'across origins' ? etcd.endpoint : '/etcd', ...options });
      pages.push(opened);
      return opened;
    },
  };
}

describe.each(WAYS)('a page with etcd %s, %s', (...way: Way) => {
  const { open } = withPages(...way);

  test('makes calls, and receives every change over a WebSocket', async () => {
    const page = await open();
    expect(await page.call('calls', 'calls/')).toEqual({ found: 'grün ✓', missing: true, succeeded: false });
    expect(await page.call('watch', 'watch/')).toEqual({ seen: ['1', '2', '3', 'delete'], transport: 'websocket' });
  });

  test('follows the live state of a range', async () => {
    expect(await (await open()).call('live', 'live/')).toBe('1,2');
  });

  test('holds a lease for longer than its TTL, and acquires a lock in turn with another client', async () => {
    const page = await open();
    const [lease, lock] = await Promise.all([page.call('lease', 'lease'), page.call('lock', 'lock')]);
    expect(lease).toEqual({ during: true, after: false });
    expect(lock).toEqual(['begins', 'ends', 'begins', 'ends']);
  });

  test('watches over chunked responses', async () => {
    const page = await open({ streams: { transport: 'chunked' } });
    expect(await page.call('watch', 'chunked/')).toEqual({ seen: ['1', '2', '3', 'delete'], transport: 'chunked' });
  });
});

describe.each(WAYS)('a page that is left or frozen, with etcd %s, %s', (...way: Way) => {
  const { etcd, open } = withPages(...way);

  /**
   * Waits until the server has no watch. The gateway of Debian's etcd 3.5 misses the end of a WebSocket now and then,
   * until it writes to it: there, the watched key changes meanwhile.
   */
  const allLeft = async (watched: string): Promise<void> => {
    const writer = createClient({ ...PATIENT, endpoints: etcd().endpoint });
    await waitForValue(
      async () => {
        if (way[0] === '3.5') await lastValueFrom(writer.kv.put(watched, 'meanwhile'));
        return watchersAt(etcd());
      },
      (count) => count === 0,
    );
    await writer.close();
  };

  test('leaves no watch on the server when the page is left', async () => {
    const page = await open();
    await page.call('collect', 'left/');
    await page.call('put', 'left/a', 'one');
    await page.page.waitForFunction('document.title.includes("one")');
    expect(await watchersAt(etcd())).toBeGreaterThan(0);
    await page.page.goto('about:blank');
    await allLeft('left/a');
  });

  test('leaves no stream on the server when its clients are closed during the handshake of a WebSocket', async () => {
    const page = await open();
    await page.call('closeDuringHandshake', 40, 20);
    await allLeft('nothing');
    await waitForValue(
      () => gaugeAt(etcd(), 'watch_stream'),
      (count) => count === 0,
    );
  });

  test('ends its streams when the page is frozen, and receives the missed changes afterwards', async () => {
    const page = await open();
    await page.call('collect', 'frozen/');
    await page.call('put', 'frozen/a', 'one');
    await page.page.waitForFunction('document.title.includes("one")');
    await page.page.evaluate('document.dispatchEvent(new Event("freeze"))');
    await allLeft('frozen/a');
    await page.call('put', 'frozen/a', 'two');
    expect(await page.page.title()).not.toContain('two');
    await page.page.evaluate('document.dispatchEvent(new Event("resume"))');
    await page.page.waitForFunction('document.title.includes("two")');
  });
});

describe('a page with auth over HTTP/1.1, before etcd 3.5.32', () => {
  test('has four watches at a time, leaves connections for calls, and starts a waiting watch when one ends', async () => {
    const etcd = await startEtcd({ version: '3.4', own: true, args: ['--cors=*'] });
    const site = await startSite(etcd.endpoint);
    try {
      const auth = { username: 'root', password: 'secret' };
      const admin = createClient({ ...PATIENT, endpoints: etcd.endpoint });
      await lastValueFrom(
        concat(admin.auth.userAdd('root', { password: 'secret' }), admin.auth.userGrantRole('root', 'root'), admin.auth.enable()),
      );
      await admin.close();
      const opened = await ClientPage.open(browser, site, { endpoints: etcd.endpoint, auth, streams: { lingerMs: 10 } });
      await opened.call('watchEach', 6);
      await waitForValue(
        () => watchersAt(etcd),
        (count) => count === 4,
      );
      expect(await opened.call('waitsBecause')).toBe('TooManyPending');
      // Two waiting streams are retried in the meantime, and calls succeed.
      for (let number = 0; number < 6; number++) await opened.call('put', `each/${number}`, 'x');
      await opened.page.waitForFunction('globalThis.page.seen().length === 4');
      expect(await watchersAt(etcd)).toBe(4);
      await opened.call('endSeen');
      await opened.page.waitForFunction('globalThis.page.seen().length === 6');
      expect((await opened.call('seen')).toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    } finally {
      await site.close();
      await etcd.stop();
    }
  });
});

describe('a page on the origin of its etcd', () => {
  const { open } = withPages('3.5', 'through the site');

  test('refreshes its leases when it is hidden and when it is shown, as its timers may be late', async () => {
    // The usual refresh would come after 200 s.
    expect(await (await open()).call('hideAndShow')).toEqual(['granted', 'refreshed', 'refreshed']);
  });

  test('leaves connections for other calls while calls wait on the server', async () => {
    expect(await (await open()).call('putBesideWaitingCalls', 'waiting')).toEqual({
      reasons: ['TooManyPending', 'TooManyPending'],
      waiting: 4,
    });
  });

  test('lets a worker that was created from text use endpoints on that origin', async () => {
    expect(await (await open()).call('fromText', 'worker/')).toEqual({ found: 'grün ✓', missing: true, succeeded: false });
  });
});

describe('a page on the origin of an etcd 3.3', () => {
  const { open } = withPages('3.3', 'through the site');

  test('sends the headers of the option, which CORS would reject', async () => {
    const page = await open({ headers: { 'x-page': 'mine' } });
    const withHeader = page.page.waitForRequest((request) => request.url().endsWith('/kv/put') && request.headers()['x-page'] === 'mine');
    expect(await page.call('calls', 'headers/')).toEqual({ found: 'grün ✓', missing: true, succeeded: false });
    expect((await withHeader).method()).toBe('POST');
  });
});

describe('a client in a page', () => {
  test('rejects an option that only Node supports, and names it', async () => {
    const site = await startSite('http://127.0.0.1:1');
    try {
      await expect(ClientPage.open(browser, site, { keepAliveMs: 1 })).rejects.toThrow(/option keepAliveMs: not in a browser/);
    } finally {
      await site.close();
    }
  });
});

/** The number of watches on a server. */
const watchersAt = (etcd: EtcdServer): Promise<number> => gaugeAt(etcd, 'watcher');

async function gaugeAt({ endpoint }: EtcdServer, name: 'watcher' | 'watch_stream'): Promise<number> {
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  return Number(new RegExp(`^etcd_debugging_mvcc_${name}_total (\\d+)`, 'm').exec(metrics)?.[1] ?? Number.NaN);
}
