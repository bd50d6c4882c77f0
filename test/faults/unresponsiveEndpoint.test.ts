import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, ReplaySubject, skip } from 'rxjs';
import type { Client, ClientOptions, RetryPolicy, WatchBatch } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { longest, timed } from '../support/stopwatch.js';
import { Clients, rejection, versionOf } from './support.js';
import { waitFor } from '../support/waitFor.js';

let etcd: EtcdServer;
let direct: Client;
/** Two ways to the cluster, of which one falls silent: connections stay, and nothing comes back. */
let silent: TcpProxy;
let well: TcpProxy;
const clients = new Clients();
let keys = 0;
const newKey = (): string => `silent/${process.pid}/${++keys}`;

/** Calls in turn go to one and the other, each by itself. */
const both = (options: ClientOptions = {}): Client =>
  clients.make({ endpoints: [silent.endpoint, well.endpoint], batchReads: false, ...options });
const read = (client: Client): Promise<unknown> => firstValueFrom(client.kv.get('a'));
/** With versions known and connections made, so many to each. */
const warm = (client: Client, count: number): Promise<unknown> => Promise.all(Array.from({ length: 2 * count }, () => read(client)));

beforeAll(async () => {
  etcd = await startEtcd();
});
beforeEach(async () => {
  direct = clients.make({ endpoints: etcd.endpoint });
  [silent, well] = await Promise.all([startTcpProxy(etcd.endpoint), startTcpProxy(etcd.endpoint)]);
});
afterEach(async () => {
  await clients.close();
  await Promise.all([silent.close(), well.close()]);
});
afterAll(() => etcd.stop());

describe('an endpoint that accepts, and never answers', () => {
  test.each([
    ['its answers', () => silent.down.stall()],
    ['what is sent to it', () => silent.up.stall()],
  ])('and holds back %s costs no read 2 s, and those after it nothing', async (_, stall) => {
    const client = both();
    await warm(client, 20);
    stall();
    const first = await Promise.all(Array.from({ length: 40 }, () => timed(read(client))));
    expect(longest(first).ms).toBeGreaterThan(700);
    expect(longest(first).awakeMs).toBeLessThan(2_000);
    const later = await Promise.all(Array.from({ length: 40 }, () => timed(read(client))));
    expect(longest(later).awakeMs).toBeLessThan(700);
  });

  test('costs the first calls of a client no 2 s, reads or writes', async () => {
    silent.down.stall();
    const client = both();
    const name = newKey();
    const times = await Promise.all([timed(read(client)), timed(firstValueFrom(client.kv.put(name, 'once')))]);
    expect(longest(times).awakeMs).toBeLessThan(2_000);
    expect(await versionOf(direct, name)).toBe(1);
  });

  test('ends a write that was sent in AmbiguousWrite, once, at its deadline; others go elsewhere', async () => {
    // An endpoint that is slow for a moment must not be taken for the silent one.
    const client = both({ attemptTimeoutMs: 500, requestTimeoutMs: 1_500 });
    await warm(client, 1);
    silent.down.stall();
    const names = [newKey(), newKey()];
    const ends = await Promise.all(
      names.map((name) =>
        firstValueFrom(client.kv.put(name, 'once')).then(
          () => 'done',
          (error: unknown) => (error as { reason: string }).reason,
        ),
      ),
    );
    expect(ends.toSorted()).toEqual(['AmbiguousWrite', 'done']);
    expect(await Promise.all(names.map((name) => versionOf(direct, name)))).toEqual([1, 1]);
  });
});

test('an endpoint that speaks again is used again by itself, and costs no call anything until then', async () => {
  const client = both({ attemptTimeoutMs: 800 });
  await warm(client, 1);
  silent.down.stall();
  await warm(client, 1);
  // Checks of it have been held back meanwhile, and calls have not noticed.
  const checked = silent.accepted;
  const end = performance.now() + 30_000;
  while (silent.accepted < checked + 2 && performance.now() < end) expect((await timed(read(client))).awakeMs).toBeLessThan(700);
  expect(silent.accepted).toBeGreaterThanOrEqual(checked + 2);
  silent.down.resume();
  const passed = silent.up.bytes;
  let reads = 0;
  while (silent.up.bytes < passed + 20 * 100 && performance.now() < end) {
    await read(client);
    reads += 1;
  }
  expect(silent.up.bytes).toBeGreaterThanOrEqual(passed + 20 * 100);
  expect(reads).toBeGreaterThan(0);
});

test('a read that every endpoint is slow to answer takes as long as the first of them', async () => {
  const client = both({ attemptTimeoutMs: 250 });
  await warm(client, 1);
  [silent, well].forEach(({ down }) => (down.delayMs = 600));
  const time = await timed(read(client));
  expect(time.ms).toBeGreaterThan(600 - 5);
  // Two answers one after the other would take 1 200 ms.
  expect(time.awakeMs).toBeLessThan(1_100);
});

test('what came while the program was busy with something else was not silent', async () => {
  const failures: string[] = [];
  // Two addresses of the server itself: a proxy of this process would be kept from its work as well.
  const endpoints = [etcd.endpoint, etcd.endpoint.replace('127.0.0.1', 'localhost')];
  const retry: RetryPolicy = ({ error }) => (failures.push(error.message), 'default');
  const client = clients.make({ endpoints, batchReads: false, attemptTimeoutMs: 500, requestTimeoutMs: 800, retry });
  await warm(client, 10);
  const watched = new ReplaySubject<WatchBatch>(Infinity);
  client.watchBatches('a').subscribe(watched);
  await firstValueFrom(watched);
  for (let busy = 0; busy < 2; busy++) {
    const reads = Promise.all(Array.from({ length: 10 }, () => read(client)));
    // They leave.
    for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
    const end = performance.now() + 1_000;
    while (performance.now() < end);
    await reads;
  }
  expect(failures).toEqual([]);
  await firstValueFrom(client.kv.put('a', 'changed'));
  expect(await firstValueFrom(watched.pipe(skip(1)))).toMatchObject({ type: 'events' });
});

test('one endpoint alone may be silent until the deadline: a read is repeated on a new connection, and not given up on the old one', async () => {
  const client = clients.make({ endpoints: silent.endpoint, attemptTimeoutMs: 100, requestTimeoutMs: 700 });
  await read(client);
  silent.down.stall();
  const [accepted, open] = [silent.accepted, silent.open];
  const failed = rejection(read(client));
  await waitFor('it is repeated', () => silent.accepted > accepted);
  expect(silent.open).toBeGreaterThanOrEqual(open);
  expect(await failed).toMatchObject({ reason: 'DeadlineExceeded' });
  // Once more after four times as long.
  expect(silent.accepted).toBeLessThanOrEqual(accepted + 2);
});
