import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { lastValueFrom, map, toArray } from 'rxjs';
import { isPutAllError, putAll, type PutAllResult, type PutEntry } from '../../operators/index.js';
import type { Client } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { Clients } from './support.js';
import { PATIENT } from '../support/patient.js';
import { waitFor } from '../support/waitFor.js';

let etcd: EtcdServer;
let proxy: TcpProxy;
/** Reads the store without the proxy. */
let direct: Client;
const clients = new Clients();

beforeAll(async () => {
  etcd = await startEtcd({ own: true });
});
beforeEach(async () => {
  direct = clients.make({ ...PATIENT, endpoints: etcd.endpoint });
  proxy = await startTcpProxy(etcd.endpoint);
});
afterEach(async () => {
  await clients.close();
  await proxy.close();
});
afterAll(() => etcd.stop());

/** Returns the number of writes of each key below a prefix. */
async function versionsBelow(prefix: string): Promise<ReadonlyMap<string, number>> {
  const kvs = await lastValueFrom(
    direct.kv.pages({ prefix }).pipe(
      map((page) => page.kvs),
      toArray(),
    ),
  );
  return new Map(kvs.flat().map(({ key, version }) => [key, version]));
}

/** Cuts all connections at each of these bytes of the responses, and returns the outcome. */
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
] as const)(
  'a connection cut in the middle of the %s (%s, %d) reports each entry as written once, ambiguous, or not written',
  async (_, lane, bytes) => {
    const prefix = `cut/${lane}/${bytes}/`;
    const { taken, error, written } = await cutAt(prefix, bytes, lane);
    expect(error.reason).toBe('AmbiguousWrite');
    expect(written.length).toBeGreaterThan(0);
    expect(error.ambiguous.length).toBeGreaterThan(0);
    // Compares by the number at the end of the key, as the error has copies of the entries.
    const numberOf = ({ key }: PutEntry): number => Number(String(key).slice(prefix.length));
    const byNumber = (a: PutEntry, b: PutEntry): number => numberOf(a) - numberOf(b);
    expect([...written, ...error.ambiguous, ...error.unwritten].sort(byNumber)).toEqual(taken);

    // An ambiguous entry may still arrive at the server; no other entry may.
    const versions = await versionsBelow(prefix);
    const versionsOf = (entries: readonly PutEntry[]) => new Set(entries.map(({ key }) => versions.get(String(key)) ?? 0));
    expect(versionsOf(written)).toEqual(new Set([1]));
    // Entries may have been taken from the source without being written.
    for (const version of versionsOf(error.unwritten)) expect(version).toBe(0);
    for (const version of versionsOf(error.ambiguous)) expect(version).toBeLessThanOrEqual(1);
  },
);

test('unsubscribing closes the connections of running txns, up to etcd', async () => {
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
