import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, ReplaySubject, skip } from 'rxjs';
import type { Client, ClientOptions, RetryPolicy, WatchBatch } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { PATIENT } from '../support/patient.js';
import { ServerPulse } from '../support/serverPulse.js';
import { longest, timed, type Duration } from '../support/stopwatch.js';
import { Clients, rejection, versionOf } from './support.js';
import { waitFor } from '../support/waitFor.js';

let etcd: EtcdServer;
let direct: Client;
/** The time that the server itself needs for a read is left out. */
let pulse: ServerPulse;
const measured = (call: Promise<unknown>): Promise<Duration> => timed(call, pulse);
/** Two ways to the server, of which one becomes unresponsive: its connections stay open, and no data come back. */
let silent: TcpProxy;
let well: TcpProxy;
const clients = new Clients();
let keys = 0;
const newKey = (): string => `silent/${process.pid}/${++keys}`;

/** Consecutive calls alternate between the endpoints. */
const both = (options: ClientOptions = {}): Client =>
  clients.make({ endpoints: [silent.endpoint, well.endpoint], batchReads: false, ...options });
const read = (client: Client): Promise<unknown> => firstValueFrom(client.kv.get('a'));
const readAtBoth = (client: Client, count: number): Promise<unknown> => Promise.all(Array.from({ length: 2 * count }, () => read(client)));
/**
 * Makes a client that knows the versions, and has this many connections to each endpoint. A client that has set an
 * endpoint aside, as it was late, is replaced by another.
 */
const warmed = (count: number, { attemptTimeoutMs = 800, ...options }: ClientOptions = {}): Promise<Client> =>
  waitFor('no read was late', async () => {
    const client = both({ attemptTimeoutMs, ...options });
    const { ms } = await timed(readAtBoth(client, count)).catch(() => ({ ms: Infinity }));
    if (ms < attemptTimeoutMs) return client;
    await client.close();
    return false;
  });

beforeAll(async () => {
  etcd = await startEtcd();
});
beforeEach(async () => {
  direct = clients.make({ ...PATIENT, endpoints: etcd.endpoint });
  pulse = new ServerPulse(() => firstValueFrom(direct.kv.get('pulse')));
  [silent, well] = await Promise.all([startTcpProxy(etcd.endpoint), startTcpProxy(etcd.endpoint)]);
});
afterEach(async () => {
  await pulse.stop();
  await clients.close();
  await Promise.all([silent.close(), well.close()]);
});
afterAll(() => etcd.stop());

describe('an endpoint that accepts connections and never responds', () => {
  test.each([
    ['responses', () => silent.down.stall()],
    ['requests', () => silent.up.stall()],
  ])('delays no read by 2 s, and later reads not at all, if it holds back %s', async (_, stall) => {
    const client = await warmed(20);
    stall();
    const first = await Promise.all(Array.from({ length: 40 }, () => measured(read(client))));
    expect(longest(first).ms).toBeGreaterThan(700);
    expect(longest(first).awakeMs).toBeLessThan(2_000);
    const later = await Promise.all(Array.from({ length: 40 }, () => measured(read(client))));
    expect(longest(later).awakeMs).toBeLessThan(700);
  });

  test('delays the first calls of a client by less than 2 s, reads and writes', async () => {
    silent.down.stall();
    const client = both();
    const name = newKey();
    const times = await Promise.all([measured(read(client)), measured(firstValueFrom(client.kv.put(name, 'once')))]);
    expect(longest(times).awakeMs).toBeLessThan(2_000);
    expect(await versionOf(direct, name)).toBe(1);
  });

  test('fails a sent write with AmbiguousWrite at its deadline, carried out at most once; other calls use another endpoint', async () => {
    // An endpoint that is slow for a moment must not be taken for the unresponsive one.
    const client = await warmed(1, { attemptTimeoutMs: 500, requestTimeoutMs: 1_500 });
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

test('an endpoint that responds again is used again by itself, and delays no call until then', async () => {
  const client = await warmed(1, { attemptTimeoutMs: 800 });
  silent.down.stall();
  await readAtBoth(client, 1);
  // Its health checks have been held back since, and the calls have not noticed.
  const checked = silent.accepted;
  const end = performance.now() + 30_000;
  while (silent.accepted < checked + 2 && performance.now() < end) expect((await measured(read(client))).awakeMs).toBeLessThan(700);
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

test('a read that every endpoint delays takes as long as the fastest of them', async () => {
  const client = await warmed(1, { attemptTimeoutMs: 250 });
  [silent, well].forEach(({ down }) => (down.delayMs = 600));
  const time = await measured(read(client));
  expect(time.ms).toBeGreaterThan(600 - 5);
  // Two responses in sequence would take 1 200 ms.
  expect(time.awakeMs).toBeLessThan(1_100);
});

test('a response that arrived while the event loop was blocked does not count as late', async () => {
  const failures: string[] = [];
  // Two addresses of the server itself: a proxy in this process would be stalled with it.
  const endpoints = [etcd.endpoint, etcd.endpoint.replace('127.0.0.1', 'localhost')];
  const retry: RetryPolicy = ({ error }) => (failures.push(error.message), 'default');
  const client = await warmed(10, { endpoints, attemptTimeoutMs: 500, requestTimeoutMs: 800, retry });
  failures.length = 0;
  const watched = new ReplaySubject<WatchBatch>(Infinity);
  client.watchBatches('a').subscribe(watched);
  await firstValueFrom(watched);
  for (let busy = 0; busy < 2; busy++) {
    const reads = Promise.all(Array.from({ length: 10 }, () => read(client)));
    // The connections are closed.
    for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
    const end = performance.now() + 1_000;
    while (performance.now() < end);
    await reads;
  }
  expect(failures).toEqual([]);
  await firstValueFrom(client.kv.put('a', 'changed'));
  expect(await firstValueFrom(watched.pipe(skip(1)))).toMatchObject({ type: 'events' });
});

test('with a single endpoint, a read is retried on a new connection while the old one still waits until the deadline', async () => {
  const client = clients.make({ endpoints: silent.endpoint, attemptTimeoutMs: 100, requestTimeoutMs: 2_000 });
  await read(client);
  silent.down.stall();
  const [accepted, open] = [silent.accepted, silent.open];
  const failed = rejection(read(client));
  await waitFor('it is repeated', () => silent.accepted > accepted);
  expect(silent.open).toBeGreaterThanOrEqual(open);
  expect(await failed).toMatchObject({ reason: 'DeadlineExceeded' });
  // The endpoint is probed once more after four times as long.
  expect(silent.accepted).toBeLessThanOrEqual(accepted + 2);
});
