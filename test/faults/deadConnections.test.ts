import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { filter, firstValueFrom, ReplaySubject } from 'rxjs';
import type { Client, ClientOptions, ConnectionState, WatchBatch } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { OK, startFakeServer, type FakeReply } from '../support/fakes/fakeServer.js';
import { PATIENT } from '../support/patient.js';
import { ServerPulse } from '../support/serverPulse.js';
import { longest, stopwatch, timed, type Duration } from '../support/stopwatch.js';
import { startForgetfulProxy, type ForgetfulProxy } from '../support/faultProxies/forgetfulProxy.js';
import { Clients, rejection, versionOf } from './support.js';
import { collect } from './watch/support/collect.js';
import { waitFor } from '../support/waitFor.js';

let etcd: EtcdServer;
let direct: Client;
/** The time that the server itself needs for a read is left out. */
let pulse: ServerPulse;
const measured = (call: Promise<unknown>): Promise<Duration> => timed(call, pulse);
let network: ForgetfulProxy;
const clients = new Clients();
let keys = 0;
const newKey = (): string => `dead/${process.pid}/${++keys}`;

const clientOf = (options: ClientOptions = {}): Client =>
  clients.make({ endpoints: network.proxy.endpoint, batchReads: false, ...options });
const read = (client: Client): Promise<unknown> => firstValueFrom(client.kv.get('a'));
const readAtOnce = (client: Client, count: number): Promise<unknown> => Promise.all(Array.from({ length: count }, () => read(client)));
/**
 * Opens at most this many connections, which are then idle. If a read was late, the client closes its older
 * connections, so the reads are repeated.
 */
const warm = (client: Client, count: number): Promise<unknown> =>
  waitFor('no read was late', async () => (await timed(readAtOnce(client, count))).ms < 800);

beforeAll(async () => {
  etcd = await startEtcd();
});
beforeEach(async () => {
  direct = clients.make({ ...PATIENT, endpoints: etcd.endpoint });
  pulse = new ServerPulse(() => firstValueFrom(direct.kv.get('pulse')));
  network = await startForgetfulProxy(etcd.endpoint);
});
afterEach(async () => {
  await pulse.stop();
  await clients.close();
  await network.proxy.close();
});
afterAll(() => etcd.stop());

describe('with one endpoint, pooled connections that are dead without having been closed', () => {
  test('delay the first read by little more than attemptTimeoutMs, and later reads not at all', async () => {
    const client = clientOf();
    await warm(client, 8);
    network.forget();
    const first = await measured(read(client));
    expect(first.ms).toBeGreaterThan(790);
    expect(first.awakeMs).toBeLessThan(1_600);
    for (let count = 0; count < 8; count++) expect((await measured(read(client))).awakeMs).toBeLessThan(500);
  });

  test('delay concurrent reads no longer than one, and are dropped once they are known to be dead', async () => {
    const client = clientOf();
    await warm(client, 8);
    const pooled = network.proxy.accepted;
    expect(pooled).toBeGreaterThan(2);
    network.forget();
    const times = await Promise.all(Array.from({ length: 20 }, () => measured(read(client))));
    expect(longest(times).awakeMs).toBeLessThan(1_800);
    await waitFor('the dead ones are closed', () => network.proxy.open <= network.proxy.accepted - pooled);
  });

  test('fail a sent write with AmbiguousWrite at its deadline, and do not delay later writes', async () => {
    const client = clientOf({ requestTimeoutMs: 2_500 });
    await warm(client, 4);
    network.forget();
    const [lost, later] = [newKey(), newKey()];
    const begun = performance.now();
    const failed = rejection(firstValueFrom(client.kv.put(lost, 'once')));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await measured(firstValueFrom(client.kv.put(later, 'once')))).awakeMs).toBeLessThan(800);
    expect(await failed).toMatchObject({ reason: 'AmbiguousWrite' });
    expect(performance.now() - begun).toBeGreaterThan(2_450);
    expect(await Promise.all([lost, later].map((key) => versionOf(direct, key)))).toEqual([0, 1]);
  });

  test('delay no call that waits for one of them', async () => {
    const client = clientOf({ maxConnections: 1, requestTimeoutMs: 5_000 });
    await warm(client, 1);
    network.forget();
    const [lost, behind] = [newKey(), newKey()];
    const failed = rejection(firstValueFrom(client.kv.put(lost, 'once')));
    const put = measured(firstValueFrom(client.kv.put(behind, 'once')));
    const got = measured(read(client));
    expect((await put).awakeMs).toBeLessThan(2_000);
    expect((await got).awakeMs).toBeLessThan(2_000);
    expect(await failed).toMatchObject({ reason: 'AmbiguousWrite' });
    expect(await Promise.all([lost, behind].map((key) => versionOf(direct, key)))).toEqual([0, 1]);
  });

  test.each(['websocket', 'chunked'] as const)('do not delay the reconnection of a watch over %s', async (transport) => {
    const client = clientOf({ streams: { transport } });
    const key = newKey();
    const batches = new ReplaySubject<WatchBatch>(Infinity);
    const states: { readonly state: ConnectionState; readonly at: number }[] = [];
    const sinceStart = stopwatch(pulse);
    client.connection$.subscribe((state) => states.push({ state, at: sinceStart().awakeMs }));
    client.watchBatches(key).subscribe(batches);
    await firstValueFrom(batches);
    await warm(client, 8);
    network.forget();
    await firstValueFrom(direct.kv.put(key, 'meanwhile'));
    expect(await firstValueFrom(batches.pipe(filter(({ type }) => type === 'events')))).toMatchObject({ events: [{ type: 'put' }] });
    const broken = states.findIndex(({ state }) => state.status === 'reconnecting');
    const back = states.findIndex(({ state }, index) => index > broken && state.status === 'connected');
    const [lostAt, backAt] = [states[broken]?.at ?? NaN, states[back]?.at ?? NaN];
    expect(backAt - lostAt).toBeLessThan(1_000);
    // One attempt was enough.
    expect(states.filter(({ state }) => state.status === 'reconnecting')).toHaveLength(1);
  });

  test('do not cause the loss of a lease', async () => {
    const client = clientOf();
    const lease = collect(client.lease({ ttl: 6 }));
    await waitFor('it is granted', () => lease.values.length > 0);
    await warm(client, 8);
    network.forget();
    const refreshes = (): number => lease.values.filter(({ type }) => type === 'refreshed').length;
    // The response to one refresh may have come through before.
    const due = refreshes() + 2;
    await waitFor('it goes on', () => refreshes() >= due || lease.error !== undefined);
    expect(lease.error).toBeUndefined();
  });
});

test('a slow response of one endpoint is waited for, and delays no other call', async () => {
  const held: FakeReply[] = [];
  const server = await startFakeServer((request, reply) => {
    if (request.body.includes(SLOW)) held.push(reply);
    else OK(request, reply);
  });
  const client = clients.make({ endpoints: server.endpoint, batchReads: false, attemptTimeoutMs: 600 });
  await read(client);
  const slow = firstValueFrom(client.kv.get('slow'));
  await waitFor('it is asked for on a second connection', () => held.length === 2);
  const times = await Promise.all(Array.from({ length: 10 }, () => measured(read(client))));
  expect(longest(times).awakeMs).toBeLessThan(500);
  held[0]?.json(200, { header: { revision: '8' } });
  await slow;
  // The failure was not one of the endpoint.
  expect(server.at('/version')).toHaveLength(1);
  // The late read was sent twice as well.
  await waitFor('the second question is given up', () => server.open < server.accepted);
  await server.close();
});

/** The key `slow` in base64. */
const SLOW = Buffer.from('slow').toString('base64');
