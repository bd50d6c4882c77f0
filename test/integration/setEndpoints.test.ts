import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, type Subscription } from 'rxjs';
import type { Client } from 'rxetcd';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });
/** Two ways to one server: the client loses the first. */
let before: TcpProxy;
let after: TcpProxy;

beforeEach(async () => {
  [before, after] = await Promise.all([startTcpProxy(fixture.server.endpoint), startTcpProxy(fixture.server.endpoint)]);
});
afterEach(() => Promise.all([before.close(), after.close()]));

const open = (proxy: TcpProxy, count: (open: number) => boolean): Promise<number> => waitForValue(async () => proxy.open, count);

describe.each(['websocket', 'chunked'] as const)('a watch over %s whose endpoint is removed from its client', (transport) => {
  test('moves to another endpoint, and neither misses nor repeats an event', async () => {
    const prefix = `set-endpoints/${transport}/`;
    const etcd: Client = fixture.client({ endpoints: before.endpoint, streams: { transport, initialBackoffMs: 5 } });
    const revisions: number[] = [];
    const watched: Subscription = etcd.watch({ prefix }).subscribe(({ revision }) => revisions.push(revision));
    const connected = firstValueFrom(etcd.connection$);
    await waitForValue(
      async () => (await only(fixture.etcd.kv.put(`${prefix}a`, '')), revisions.length),
      (seen) => seen > 0,
    );
    await connected;

    const [first = 0] = revisions;
    const put = async (count: number): Promise<number> => {
      let last = 0;
      for (let n = 0; n < count; n++) last = (await only(fixture.etcd.kv.put(`${prefix}${n}`, String(n)))).header.revision;
      return last;
    };
    const writing = put(200);
    etcd.setEndpoints(after.endpoint);
    const last = await writing;
    await waitForValue(
      async () => revisions.at(-1),
      (seen) => seen === last,
    );
    expect(revisions).toEqual(Array.from({ length: last - first + 1 }, (_, index) => first + index));
    await open(before, (count) => count === 0);
    expect(after.open).toBeGreaterThan(0);
    watched.unsubscribe();
  });
});

test('a call in progress at an endpoint that is removed finishes there; then its connections are closed', async () => {
  const etcd = fixture.client({ endpoints: before.endpoint });
  await only(etcd.kv.get('a'));
  const sent = before.up.bytes;
  before.down.delayMs = 100;
  const put = only(etcd.kv.put('set-endpoints/finished', 'there'));
  await waitForValue(
    async () => before.up.bytes,
    (bytes) => bytes > sent,
  );
  etcd.setEndpoints([after.endpoint]);
  expect(before.open).toBeGreaterThan(0);
  await put;
  await open(before, (count) => count === 0);
  await only(etcd.kv.get('a'));
  expect(after.open).toBeGreaterThan(0);
});

test('a lease is refreshed at another endpoint, and is not lost', async () => {
  const etcd = fixture.client({ endpoints: before.endpoint, streams: { initialBackoffMs: 5 } });
  const lost: unknown[] = [];
  const events: string[] = [];
  const held = etcd.lease({ ttl: 6 }).subscribe({
    next: ({ type }) => events.push(type),
    error: (error: unknown) => lost.push(error),
  });
  await waitForValue(
    async () => events,
    (seen) => seen.includes('granted'),
  );
  etcd.setEndpoints(after.endpoint);
  await before.refuse();
  await waitForValue(
    async () => events.filter((type) => type === 'refreshed').length,
    (count) => count >= 2,
  );
  expect(lost).toEqual([]);
  held.unsubscribe();
});

test('sync uses the addresses of the members beside the configured ones', async () => {
  const etcd = fixture.client({ endpoints: before.endpoint });
  expect(await only(etcd.sync())).toEqual([before.endpoint, fixture.server.endpoint]);
  expect(etcd.endpoints()).toEqual([before.endpoint, fixture.server.endpoint]);
  await before.close();
  for (let calls = 0; calls < 3; calls++) await only(etcd.kv.get('sync'));
});

test('a client that was derived before uses the new endpoints, and keeps its locks', async () => {
  const etcd = fixture.client({ endpoints: before.endpoint });
  const derived = etcd.withAuth(undefined);
  const derivedTwice = derived.withAuth(undefined);
  const events: string[] = [];
  const watched = derivedTwice.watch('set-endpoints/derived').subscribe(({ kv }) => events.push(kv.value));
  await using lock = await derived.promises.lock('set-endpoints/derived-lock', { ttl: 30 });
  await only(derivedTwice.kv.put('set-endpoints/derived', '1'));
  etcd.setEndpoints(after.endpoint);
  for (const client of [etcd, derived, derivedTwice]) expect(client.endpoints()).toEqual([after.endpoint]);
  await open(before, (count) => count === 0);
  await before.close();
  await only(derivedTwice.kv.put('set-endpoints/derived', '2'));
  await waitForValue(
    async () => events.join(),
    (seen) => seen === '1,2',
  );
  expect(lock.value.alive).toBe(true);
  watched.unsubscribe();
});
