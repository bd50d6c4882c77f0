import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { lastValueFrom } from 'rxjs';
import { createClient } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { PATIENT } from '../support/patient.js';
import { makeTls, type Tls } from '../support/tls.js';
import { serveCuttingSite, type CuttingSite, type Speech } from './cuttingSite.js';
import type { SiteFile } from './site.js';
import { ClientPage, pageFiles, startBrowser } from './support.js';

let browser: Browser;
let tls: Tls;
let fileAt: (path: string) => SiteFile;
const servers = new Map<string, EtcdServer>();
beforeAll(async () => {
  [browser, tls, fileAt] = await Promise.all([startBrowser(), makeTls(), pageFiles()]);
});
afterAll(async () => {
  await browser.close();
  await tls.remove();
  for (const server of servers.values()) await server.stop();
});

async function etcdOf(version: string): Promise<EtcdServer> {
  const server = servers.get(version) ?? (await startEtcd({ version, own: true }));
  servers.set(version, server);
  return server;
}

/** Opens a page of a site with this protocol, whose connection has been used before. */
async function withPage(version: string, speech: Speech, use: (page: ClientPage, site: CuttingSite) => Promise<void>): Promise<void> {
  const etcd = await etcdOf(version);
  const site = await serveCuttingSite(etcd.endpoint, fileAt, { speech, identity: tls.server });
  const page = await ClientPage.open(browser, site, { endpoints: '/etcd' });
  try {
    expect(await page.call('outcomeOfPut', 'before')).toBe('done');
    await use(page, site);
  } finally {
    await page.close();
    await site.close();
  }
}

/** Returns how often a key was put since it was created. */
async function timesPut(version: string, name: string): Promise<number | undefined> {
  const client = createClient({ ...PATIENT, endpoints: (await etcdOf(version)).endpoint });
  const kv = await lastValueFrom(client.kv.get(name));
  await client.close();
  return kv?.version;
}

/** The path of the calls that put a key. */
const pathIn = ({ calls }: CuttingSite): string => calls.findLast((path) => path.endsWith('/kv/put')) ?? '';

/** Puts a key three times, cutting each connection before the response. Returns how the puts ended, and how often each key was put. */
async function putWithCuts(version: string, speech: Speech): Promise<{ outcomes: string[]; times: (number | undefined)[] }> {
  const names = [1, 2, 3].map((number) => `${speech}/${number}`);
  const outcomes: string[] = [];
  await withPage(version, speech, async (page, site) => {
    for (const name of names) {
      site.cutNext(pathIn(site));
      outcomes.push(await page.call('outcomeOfPut', name));
      await page.call('outcomeOfPut', 'between');
    }
  });
  return { outcomes, times: await Promise.all(names.map((name) => timesPut(version, name))) };
}

describe.each(['3.5', '3.4', '3.3'])('a write of a page, whose connection is lost before the response, with etcd %s', (version) => {
  test('a write over HTTP/2 is carried out once, and its outcome is unknown', async () => {
    const { outcomes, times } = await putWithCuts(version, 'HTTP/2');
    expect(outcomes).toEqual(['AmbiguousWrite', 'AmbiguousWrite', 'AmbiguousWrite']);
    expect(times).toEqual([1, 1, 1]);
  });
});

describe('over HTTP/1.1', () => {
  test('a write over HTTP/1.1 is carried out once if the server keeps no connections', async () => {
    const { outcomes, times } = await putWithCuts('3.5', 'HTTP/1.1 without keep-alive');
    expect(outcomes).toEqual(['AmbiguousWrite', 'AmbiguousWrite', 'AmbiguousWrite']);
    expect(times).toEqual([1, 1, 1]);
  });

  test.each(['HTTP/1.1', 'HTTP/1.1 over TLS'] as const)(
    'Chromium repeats a write over HTTP/1.1 by itself otherwise, as the docs describe (%s)',
    async (speech) => {
      const { outcomes, times } = await putWithCuts('3.5', speech);
      expect(outcomes).toEqual(['done', 'done', 'done']);
      expect(times).toEqual([2, 2, 2]);
    },
  );
});

test('a page sends one probe to the server before the first of several writes', async () => {
  await withPage('3.5', 'HTTP/2', async (page, site) => {
    for (const name of ['a', 'b', 'c']) await page.call('outcomeOfPut', `tried/${name}`);
    expect(site.calls.filter((path) => path.endsWith('/kv/range'))).toHaveLength(1);
    expect(site.calls.filter((path) => path.endsWith('/kv/put'))).toHaveLength(4);
  });
});
