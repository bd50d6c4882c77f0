import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { lastValueFrom, map, toArray } from 'rxjs';
import { isPutAllError, putAll, type PutAllResult, type PutEntry } from '../../operators/index.js';
import type { Client } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { Clients } from './support.js';
import { waitFor } from '../support/waitFor.js';

let etcd: EtcdServer;
let proxy: TcpProxy;
/** Sees what is really there. */
let direct: Client;
const clients = new Clients();

beforeAll(async () => {
  etcd = await startEtcd({ own: true });
});
beforeEach(async () => {
  direct = clients.make({ endpoints: etcd.endpoint });
  proxy = await startTcpProxy(etcd.endpoint);
});
afterEach(async () => {
  await clients.close();
  await proxy.close();
});
afterAll(() => etcd.stop());

/** How often each key below a prefix was written. */
async function versionsBelow(prefix: string): Promise<ReadonlyMap<string, number>> {
  const kvs = await lastValueFrom(
    direct.kv.pages({ prefix }).pipe(
      map((page) => page.kvs),
      toArray(),
    ),
  );
  return new Map(kvs.flat().map(({ key, version }) => [key, version]));
}

/** Cuts all connections at each of these bytes of the answers, and gives what came of it. */
async function cutAt(prefix: string, bytes: number, lane: 'up' | 'down') {
  const client = clients.make({ endpoints: proxy.endpoint });
  await lastValueFrom(client.kv.get('warm'));
  const taken: PutEntry[] = [];
  function* endless(): Generator<PutEntry> {
    for (let n = 0; ; n++) {
      const entry = { key: `${prefix}${n}`, value: 'x'.repeat(100) };
      taken.push(entry);
      yield entry;
    }
  }
  const results: PutAllResult[] = [];
  const before = proxy.up.bytes;
  proxy[lane].cutAfter(bytes);
  const error = await new Promise<unknown>((resolve) => {
    putAll(client.kv, endless(), { concurrency: 4, maxOps: 16 }).subscribe({ next: (result) => results.push(result), error: resolve });
  });
  if (!isPutAllError(error)) throw error;
  expect(proxy.up.bytes).toBeGreaterThan(before);
  return { taken, error, written: results.flatMap(({ entries }) => entries) };
}

test.each([
  ['answers', 'down', 30_000],
  ['answers', 'down', 33_333],
  ['requests', 'up', 100_000],
  ['requests', 'up', 54_321],
] as const)('a cut in the middle of the %s (%s, %d) names each entry: written once, open, or not written', async (_, lane, bytes) => {
  const prefix = `cut/${lane}/${bytes}/`;
  const { taken, error, written } = await cutAt(prefix, bytes, lane);
  expect(error.reason).toBe('AmbiguousWrite');
  expect(written.length).toBeGreaterThan(0);
  expect(error.open.length).toBeGreaterThan(0);
  // By the number at the end of the key: what is named are copies.
  const numberOf = ({ key }: PutEntry): number => Number(String(key).slice(prefix.length));
  const byNumber = (a: PutEntry, b: PutEntry): number => numberOf(a) - numberOf(b);
  expect([...written, ...error.open, ...error.unwritten].sort(byNumber)).toEqual(taken);

  // What is open may still be on its way in the server: nothing else is.
  const versions = await versionsBelow(prefix);
  const versionsOf = (entries: readonly PutEntry[]) => new Set(entries.map(({ key }) => versions.get(String(key)) ?? 0));
  expect(versionsOf(written)).toEqual(new Set([1]));
  // Nothing need be left of what was taken.
  for (const version of versionsOf(error.unwritten)) expect(version).toBe(0);
  for (const version of versionsOf(error.open)) expect(version).toBeLessThanOrEqual(1);
});

test('unsubscribing closes the connections of what is under way, all the way to etcd', async () => {
  const client = clients.make({ endpoints: proxy.endpoint });
  await lastValueFrom(client.kv.get('warm'));
  proxy.down.stall();
  const closed = (): number => proxy.accepted - proxy.open;
  const [before, passed] = [closed(), proxy.up.bytes];
  const entries = Array.from({ length: 100 }, (_, n) => ({ key: `left/${n}`, value: 'x' }));
  const writing = putAll(client.kv, entries, { concurrency: 3, maxOps: 10 }).subscribe({ error: () => undefined });
  await waitFor('the requests have passed', () => proxy.accepted >= 3 && proxy.up.bytes > passed);
  writing.unsubscribe();
  proxy.down.resume();
  await waitFor('their connections are closed', () => closed() >= before + 3);
  const versions = await versionsBelow('left/');
  expect(versions.size).toBeLessThanOrEqual(30);
});
