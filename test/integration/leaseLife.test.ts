import { afterEach, describe, expect, test } from '@jest/globals';
import { leaseId, toText, type LeaseEvent } from 'rxetcd';
import { firstValueFrom, type Observable } from 'rxjs';
import { startEtcd } from '../support/etcd/index.js';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withCluster, withEtcd } from './support/fixture.js';
import { Holder, Lateness } from './support/holding.js';
import { failureOf, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const holder = new Holder();
afterEach(() => holder.letGo());

/** Options by which a client reconnects soon. */
const QUICK = { streams: { initialBackoffMs: 5, maxBackoffMs: 200 } };

/** Holds a lease, and records until when it was certain to be alive, as of its last event. */
function holding(source: Observable<LeaseEvent>) {
  let heldUntil = 0;
  const held = holder.hold(source, ({ remainingMs }) => (heldUntil = performance.now() + remainingMs));
  return Object.assign(held, { heldUntil: () => heldUntil, kinds: () => held.values.map(({ type }) => type) });
}

describe('a lease', () => {
  test('with a chosen id can be granted again at once after it was released', async () => {
    const id = leaseId(2n ** 62n + BigInt(process.pid));
    for (let round = 0; round < 60; round++) {
      const held = holding(fixture.etcd.lease({ ttl: 30, id }));
      expect((await held.first()).id).toBe(id);
      held.leave();
    }
  });

  test('is granted, refreshed for longer than its TTL, and revoked when it is unsubscribed', async () => {
    const { kv, lease } = fixture.etcd;
    const held = holding(lease({ ttl: 5 }));
    const { id, ttl } = await held.first();
    await only(kv.put('life/key', '', { lease: id }));
    // Each refresh is a third of the TTL after the last. A stall of the machine fails one attempt, which is retried.
    const kinds = () => held.kinds().filter((kind) => kind !== 'refreshFailed');
    await waitForValue(kinds, ({ length }) => length >= 5);
    expect(kinds()).toEqual(['granted', ...Array<string>(kinds().length - 1).fill('refreshed')]);
    for (const { remainingMs } of held.values) expect(remainingMs).toBeGreaterThan(0);
    for (const { remainingMs } of held.values) expect(remainingMs).toBeLessThanOrEqual(ttl * 1_000);
    expect(await only(kv.exists('life/key'))).toBe(true);
    held.leave();
    await waitForValue(
      () => only(kv.exists('life/key')),
      (there) => !there,
    );
    expect(held.error).toBeUndefined();
  });

  test('reports its keys, its remaining time, and whether it is alive', async () => {
    const { kv, lease } = fixture.etcd;
    const held = holding(lease({ ttl: 30 }));
    const event = await held.first();
    await only(kv.put('life/keys/a', '', { lease: event.id }));
    await only(kv.put('life/keys/b', '', { lease: event.id }));
    expect((await only(event.lease.keys())).map(toText).sort()).toEqual(['life/keys/a', 'life/keys/b']);
    expect(event.lease).toMatchObject({ ttl: 30, alive: true });
    expect(event.lease.remainingMs).toBeLessThan(30_000);
    held.leave();
    expect(event.lease).toMatchObject({ alive: false, remainingMs: 0 });
  });

  test('can be refreshed now, and reports when it has ended', async () => {
    const { lease } = fixture.etcd;
    const held = holding(lease({ ttl: 60 }));
    const { id, remainingMs, lease: mine } = await held.first();
    await waitForValue(
      () => mine.remainingMs,
      (now) => now < remainingMs - 50,
    );
    // The end is compared: less time may remain if the response took long.
    const end = (leftMs: number) => performance.now() + leftMs;
    const before = end(mine.remainingMs);
    expect(end(await only(mine.refresh()))).toBeGreaterThan(before);
    expect(end(mine.remainingMs)).toBeGreaterThan(before);
    expect(held.kinds()).toEqual(['granted', 'refreshed']);
    await only(lease.revoke(id));
    await failureWith('LeaseLost', mine.refresh());
    expect(held.error).toMatchObject({ reason: 'LeaseLost' });
    await failureWith('LeaseLost', mine.refresh());
  });

  test('stays held if a requested refresh fails with an error', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    try {
      const held = holding(fixture.client({ endpoints: proxy.endpoint, ...QUICK }).lease({ ttl: 60 }));
      const { lease } = await held.first();
      await proxy.refuse();
      expect(await failureOf(lease.refresh())).toMatchObject({ code: 'Unavailable' });
      expect(lease.alive).toBe(true);
      held.leave();
      await failureWith('LeaseLost', lease.refresh());
    } finally {
      await proxy.close();
    }
  });

  test('is left to expire with `keep`, and can be adopted by another client', async () => {
    const { lease } = fixture.etcd;
    const held = holding(lease({ ttl: 30, release: 'keep' }));
    const { id } = await held.first();
    held.leave();
    expect((await only(lease.timeToLive(id))).ttl).toBeGreaterThan(20);
    const adopted = holding(fixture.client().lease.adopt(id, { release: 'revoke' }));
    expect(await adopted.first()).toMatchObject({ id, ttl: 30 });
    adopted.leave();
    await waitForValue(
      async () => (await only(lease.timeToLive(id))).ttl,
      (ttl) => ttl === -1,
      // The lease was lost before its TTL has passed.
      20_000,
    );
  });

  test('that is adopted must exist', async () => {
    const { lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    await only(lease.revoke(id));
    await expect(firstValueFrom(lease.adopt(id))).rejects.toMatchObject({ reason: 'LeaseNotFound' });
  });

  test('that is revoked elsewhere is lost at the next refresh', async () => {
    const { lease } = fixture.etcd;
    const held = holding(fixture.client().lease({ ttl: 6 }));
    const { id } = await held.first();
    await only(lease.revoke(id));
    expect(await held.failure()).toMatchObject({ reason: 'LeaseLost', cause: { reason: 'LeaseNotFound' } });
    // The refresh came after two of six seconds, when four were left.
    expect(held.heldUntil() - held.endedAt).toBeGreaterThan(1_000);
  });

  test('with regrant, that is revoked elsewhere, is followed by another', async () => {
    const { kv, lease } = fixture.etcd;
    const held = holding(lease({ ttl: 3, onLost: 'regrant' }));
    const { id } = await held.first();
    await only(lease.revoke(id));
    await waitForValue(held.kinds, (kinds) => kinds.filter((kind) => kind === 'granted').length === 2);
    expect(held.kinds().slice(-2)).toEqual(['lost', 'granted']);
    const next = held.values.at(-1)!.id;
    expect(next).not.toBe(id);
    await only(kv.put('life/regranted', '', { lease: next }));
    held.leave();
    await waitForValue(
      () => only(kv.exists('life/regranted')),
      (there) => !there,
    );
  });

  test('that is unsubscribed at once, a thousand times, leaves none behind', async () => {
    const { lease } = fixture.etcd;
    const leases = async () => (await only(lease.leases())).leases.map(({ id }) => id);
    // Watches of other tests may end meanwhile.
    const before = new Set(await leases());
    const since = async () => (await leases()).filter((id) => !before.has(id)).length;
    const other = fixture.client();
    for (let round = 0; round < 1_000; round++) other.lease({ ttl: 60 }).subscribe().unsubscribe();
    await waitForValue(since, (count) => count > 0);
    await waitForValue(since, (count) => count === 0);
  });
});

test('is released, as are locks, when its client is closed; its stream completes, and a waiting lock fails', async () => {
  const { kv, lease } = fixture.etcd;
  const other = fixture.client();
  const held = holding(other.lease({ ttl: 60 }));
  const { id } = await held.first();
  const [owned, waiting] = [holder.hold(other.lock('life/closing', { ttl: 60 })), holder.hold(other.lock('life/closing', { ttl: 60 }))];
  await waitForValue(
    () => only(kv.count({ prefix: 'life/closing/' })),
    (count) => count === 2,
  );
  await waitForValue(
    () => owned.values.length + waiting.values.length,
    (count) => count === 1,
  );
  await other.close();
  expect((await only(lease.timeToLive(id))).ttl).toBe(-1);
  expect(await only(kv.count({ prefix: 'life/closing/' }))).toBe(0);
  const [first, second] = owned.values.length > 0 ? [owned, waiting] : [waiting, owned];
  expect([held, first].map(({ completed, error }) => [completed, error])).toEqual(Array(2).fill([true, undefined]));
  expect(second).toMatchObject({ completed: false, error: { reason: 'ClientClosed' } });
});

describe('a lease whose server', () => {
  test('stops responding is lost within its TTL, never after', async () => {
    const server = await startEtcd({ own: true });
    try {
      const held = holding(fixture.client({ endpoints: server.endpoint, ...QUICK }).lease({ ttl: 3 }));
      await waitForValue(held.kinds, (kinds) => kinds.includes('refreshed'));
      await server.pause();
      const lateness = new Lateness();
      expect(await held.failure()).toMatchObject({ reason: 'LeaseLost' });
      await server.resume();
      expect(held.kinds()).toContain('refreshFailed');
      // A timer fires when the event loop reaches it, and counts whole milliseconds.
      expect(held.endedAt - held.heldUntil()).toBeLessThan(lateness.end() + 10);
    } finally {
      await server.stop();
    }
  });

  test('responds again in time is not lost', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    try {
      const held = holding(fixture.client({ endpoints: proxy.endpoint, ...QUICK }).lease({ ttl: 6 }));
      await held.first();
      await proxy.refuse();
      await waitForValue(held.kinds, (kinds) => kinds.includes('refreshFailed'));
      await proxy.accept();
      await waitForValue(held.kinds, (kinds) => kinds.at(-1) === 'refreshed');
      expect(held.error).toBeUndefined();
      held.leave();
    } finally {
      await proxy.close();
    }
  });
});

describe('in a cluster, a lease', () => {
  const cluster = withCluster({ size: 3 });

  test.each(['stalled', 'refused'])('is refreshed through another member when the connection to its own is %s', async (how) => {
    const proxies = await Promise.all(cluster.members.slice(0, 2).map(({ endpoint }) => startTcpProxy(endpoint)));
    try {
      const held = holding(cluster.client({ endpoints: proxies.map(({ endpoint }) => endpoint), ...QUICK }).lease({ ttl: 12 }));
      await held.first();
      const before = proxies.map(({ up }) => up.bytes);
      await waitForValue(held.kinds, (kinds) => kinds.includes('refreshed'));
      // The keepalive is the only request.
      const own = proxies.find(({ up }, index) => up.bytes > (before[index] ?? 0))!;
      if (how === 'refused') await own.refuse();
      else for (const lane of [own.up, own.down]) lane.stall();
      const refreshes = () => {
        expect(held.error).toBeUndefined();
        return held.kinds().filter((kind) => kind === 'refreshed').length;
      };
      const so = refreshes();
      // One of them may have been in progress.
      await waitForValue(refreshes, (count) => count >= so + 2);
      held.leave();
    } finally {
      for (const proxy of proxies) for (const lane of [proxy.up, proxy.down]) lane.resume();
      await Promise.all(proxies.map((proxy) => proxy.close()));
    }
  });
});
