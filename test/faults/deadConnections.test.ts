import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { filter, firstValueFrom, ReplaySubject } from 'rxjs';
import type { Client, ClientOptions, ConnectionState, WatchBatch } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { OK, startFakeServer, type FakeReply } from '../support/fakes/fakeServer.js';
import { longest, stopwatch, timed } from '../support/stopwatch.js';
import { startForgetfulProxy, type ForgetfulProxy } from '../support/faultProxies/forgetfulProxy.js';
import { Clients, rejection, versionOf } from './support.js';
import { collect } from './watch/support/collect.js';
import { waitFor } from '../support/waitFor.js';

let etcd: EtcdServer;
let direct: Client;
let network: ForgetfulProxy;
const clients = new Clients();
let keys = 0;
const newKey = (): string => `dead/${process.pid}/${++keys}`;

const clientOf = (options: ClientOptions = {}): Client =>
  clients.make({ endpoints: network.proxy.endpoint, batchReads: false, ...options });
const read = (client: Client): Promise<unknown> => firstValueFrom(client.kv.get('a'));
/** With so many connections made, and idle. */
const warm = (client: Client, count: number): Promise<unknown> => Promise.all(Array.from({ length: count }, () => read(client)));

beforeAll(async () => {
  etcd = await startEtcd();
});
beforeEach(async () => {
  direct = clients.make({ endpoints: etcd.endpoint });
  network = await startForgetfulProxy(etcd.endpoint);
});
afterEach(async () => {
  await clients.close();
  await network.proxy.close();
});
afterAll(() => etcd.stop());

describe('with one endpoint, pooled connections that are dead without having been closed', () => {
  test('cost the first read little more than attemptTimeoutMs, and those after it nothing', async () => {
    const client = clientOf();
    await warm(client, 8);
    network.forget();
    const first = await timed(read(client));
    expect(first.ms).toBeGreaterThan(790);
    expect(first.awakeMs).toBeLessThan(1_600);
    for (let count = 0; count < 8; count++) expect((await timed(read(client))).awakeMs).toBeLessThan(500);
  });

  test('cost reads at a time no more, and are dropped when they turn out to be dead', async () => {
    const client = clientOf();
    await warm(client, 8);
    const pooled = network.proxy.accepted;
    expect(pooled).toBeGreaterThan(2);
    network.forget();
    const times = await Promise.all(Array.from({ length: 20 }, () => timed(read(client))));
    expect(longest(times).awakeMs).toBeLessThan(1_800);
    await waitFor('the dead ones are closed', () => network.proxy.open <= network.proxy.accepted - pooled);
  });

  test('end a write that was sent in AmbiguousWrite at its deadline; those after it are not held up', async () => {
    const client = clientOf({ requestTimeoutMs: 2_500 });
    await warm(client, 4);
    network.forget();
    const [lost, later] = [newKey(), newKey()];
    const begun = performance.now();
    const failed = rejection(firstValueFrom(client.kv.put(lost, 'once')));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await timed(firstValueFrom(client.kv.put(later, 'once')))).awakeMs).toBeLessThan(800);
    expect(await failed).toMatchObject({ reason: 'AmbiguousWrite' });
    expect(performance.now() - begun).toBeGreaterThan(2_450);
    expect(await Promise.all([lost, later].map((key) => versionOf(direct, key)))).toEqual([0, 1]);
  });

  test('hold up no call that waits for one of them', async () => {
    const client = clientOf({ maxConnections: 1, requestTimeoutMs: 5_000 });
    await warm(client, 1);
    network.forget();
    const [lost, behind] = [newKey(), newKey()];
    const failed = rejection(firstValueFrom(client.kv.put(lost, 'once')));
    const put = timed(firstValueFrom(client.kv.put(behind, 'once')));
    const got = timed(read(client));
    expect((await put).awakeMs).toBeLessThan(2_000);
    expect((await got).awakeMs).toBeLessThan(2_000);
    expect(await failed).toMatchObject({ reason: 'AmbiguousWrite' });
    expect(await Promise.all([lost, behind].map((key) => versionOf(direct, key)))).toEqual([0, 1]);
  });

  test.each(['websocket', 'chunked'] as const)('cost a watch over %s that has to reconnect no time of its own', async (transport) => {
    const client = clientOf({ streams: { transport } });
    const key = newKey();
    const batches = new ReplaySubject<WatchBatch>(Infinity);
    const states: { readonly state: ConnectionState; readonly at: number }[] = [];
    const sinceStart = stopwatch();
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
    // One try was enough.
    expect(states.filter(({ state }) => state.status === 'reconnecting')).toHaveLength(1);
  });

  test('do not cost a lease its life', async () => {
    const client = clientOf();
    const lease = collect(client.lease({ ttl: 6 }));
    await waitFor('it is granted', () => lease.values.length > 0);
    await warm(client, 8);
    network.forget();
    const refreshes = (): number => lease.values.filter(({ type }) => type === 'refreshed').length;
    // The answer to one may have come through before.
    const due = refreshes() + 2;
    await waitFor('it goes on', () => refreshes() >= due || lease.error !== undefined);
    expect(lease.error).toBeUndefined();
  });
});

test('a slow answer of one endpoint is waited for, and costs no other call anything', async () => {
  const held: FakeReply[] = [];
  const server = await startFakeServer((request, reply) => {
    if (request.body.includes(SLOW)) held.push(reply);
    else OK(request, reply);
  });
  const client = clients.make({ endpoints: server.endpoint, batchReads: false, attemptTimeoutMs: 600 });
  await read(client);
  const slow = firstValueFrom(client.kv.get('slow'));
  await waitFor('it is asked for on a second connection', () => held.length === 2);
  const times = await Promise.all(Array.from({ length: 10 }, () => timed(read(client))));
  expect(longest(times).awakeMs).toBeLessThan(500);
  held[0]?.json(200, { header: { revision: '8' } });
  await slow;
  // It was no failure of the endpoint.
  expect(server.at('/version')).toHaveLength(1);
  await waitFor('the second question is given up', () => server.open === server.accepted - 1);
  await server.close();
});

/** The key `slow` in base64. */
const SLOW = Buffer.from('slow').toString('base64');
