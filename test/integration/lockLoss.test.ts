import { afterEach, describe, expect, test } from '@jest/globals';
import { hasReason, put, type Client, type LeaseId, type LockHandle } from 'rxetcd';
import type { Observable } from 'rxjs';
import { startEtcd } from '../support/etcd/index.js';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { Holder, Lateness } from './support/holding.js';
import { only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const holder = new Holder();
afterEach(() => holder.letGo());

const TTL = { ttl: 30 };
/** Options by which a client reconnects soon. */
const QUICK = { streams: { initialBackoffMs: 5, maxBackoffMs: 200 } };
const queued = (name: string, count: number, etcd: Client = fixture.etcd) =>
  waitForValue(
    () => only(etcd.kv.count({ prefix: `${name}/` })),
    (now) => now === count,
  );
const stillOwned = ({ guard }: LockHandle) =>
  only(fixture.etcd.kv.txn({ compare: [guard], success: [put('loss/work', '')] })).then(({ succeeded }) => succeeded);

describe('a lock that is owned fails with LockLost', () => {
  test('as soon as its key is deleted by another client', async () => {
    const held = holder.hold(fixture.etcd.lock('loss/deleted', TTL));
    const ownership = await held.first();
    await only(fixture.etcd.kv.delete(ownership.key));
    expect(await held.failure()).toMatchObject({ reason: 'LockLost' });
    expect(ownership.alive).toBe(false);
    expect(await stillOwned(ownership)).toBe(false);
  });

  test('although its key was created again meanwhile', async () => {
    const { etcd } = fixture;
    const { id } = await only(etcd.lease.grant(30));
    const held = holder.hold(etcd.lock('loss/anew', { lease: id }));
    const { key: itsKey } = await held.first();
    await only(etcd.kv.delete(itsKey));
    await only(etcd.kv.put(itsKey, '', { lease: id }));
    expect(await held.failure()).toMatchObject({ reason: 'LockLost' });
    held.leave();
    // The key now belongs to another client, and remains.
    expect(await only(etcd.kv.exists(itsKey))).toBe(true);
    await only(etcd.lease.revoke(id));
  });

  test('as soon as its lease is revoked elsewhere', async () => {
    const held = holder.hold(fixture.etcd.lock('loss/revoked', { ttl: 120 }));
    const ownership = await held.first();
    await only(fixture.etcd.lease.revoke(ownership.lease));
    // The loss is detected by the key: the next refresh is forty seconds away.
    expect(await held.failure(30_000)).toMatchObject({ reason: 'LockLost' });
    expect(await stillOwned(ownership)).toBe(false);
  });

  test('when its server stops responding, before its lease can have ended there', async () => {
    const server = await startEtcd({ own: true });
    try {
      const etcd = fixture.client({ endpoints: server.endpoint, ...QUICK });
      const held = holder.hold(etcd.lock('loss/paused', { ttl: 3 }));
      const { lease } = await held.first();
      await server.pause();
      const pausedAt = performance.now();
      const lateness = new Lateness();
      expect(await held.failure()).toMatchObject({ reason: 'LockLost', cause: { reason: 'LeaseLost' } });
      expect(held.endedAt - pausedAt).toBeLessThan(3_000 + lateness.end() + 10);
      await server.resume();
      const other = fixture.client({ endpoints: server.endpoint });
      await waitForValue(
        async () => (await only(other.lease.timeToLive(lease))).ttl,
        (ttl) => ttl === -1,
      );
    } finally {
      await server.stop();
    }
  });

  test('if the connection to its server is cut for longer than its lease, while another client acquires it', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    try {
      const away = holder.hold(fixture.client({ endpoints: proxy.endpoint, ...QUICK }).lock('loss/cut', { ttl: 5 }));
      const lost = await away.first();
      const next = holder.hold(fixture.etcd.lock('loss/cut', TTL));
      await queued('loss/cut', 2);
      await proxy.refuse();
      const { revision } = await next.first();
      expect(away.error).toMatchObject({ reason: 'LockLost' });
      expect(revision).toBeGreaterThan(lost.revision);
      expect(await stillOwned(lost)).toBe(false);
    } finally {
      await proxy.close();
    }
  });
});

describe('a waiter with a lease of the caller', () => {
  const waits = {
    lock: ({ etcd }, name, lease) => [etcd.lock(name, TTL), etcd.lock(name, { lease })],
    'reentrant lock': ({ etcd }, name, lease) => [
      etcd.lock(name, { ...TTL, reentrant: { holder: 'ann' } }),
      etcd.lock(name, { lease, reentrant: { holder: 'ben' } }),
    ],
    election: ({ etcd }, name, lease) => [etcd.election(name).campaign('a', TTL), etcd.election(name).campaign('b', { lease })],
    semaphore: ({ etcd }, name, lease) => [etcd.semaphore(name, 1, TTL), etcd.semaphore(name, 1, { lease })],
    'write lock': ({ etcd }, name, lease) => [etcd.readLock(name, TTL), etcd.writeLock(name, { lease })],
  } satisfies Record<
    string,
    (fixture: { etcd: Client }, name: string, lease: LeaseId) => readonly [Observable<unknown>, Observable<unknown>]
  >;

  test.each(Object.entries(waits))('for a %s fails as soon as that lease has ended, long before its turn', async (kind, make) => {
    const { etcd } = fixture;
    const { id } = await only(etcd.lease.grant(60));
    const name = `loss/waits/${kind}`;
    const [owning, waiting] = make(fixture, name, id);
    const owner = holder.hold(owning);
    await owner.first();
    const waiter = holder.hold(waiting);
    await waitForValue(
      async () => (await only(etcd.lease.timeToLive(id, { keys: true }))).keys.length,
      (keys) => keys > 0,
    );
    await only(etcd.lease.revoke(id));
    expect(await waiter.failure()).toMatchObject({ reason: 'LockLost' });
    expect(waiter.values).toEqual([]);
    expect(owner.error).toBeUndefined();
  });
});

describe('a lock', () => {
  test('is not lost by a cut shorter than its lease, and is released through the next cut', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    try {
      const held = holder.hold(fixture.client({ endpoints: proxy.endpoint, ...QUICK }).lock('loss/kept', TTL));
      const ownership = await held.first();
      const next = holder.hold(fixture.etcd.lock('loss/kept', TTL));
      await queued('loss/kept', 2);
      for (let round = 0; round < 5; round++) proxy.cut();
      expect(await stillOwned(ownership)).toBe(true);
      expect(held.error).toBeUndefined();
      await proxy.refuse();
      held.leave();
      await proxy.accept();
      // Before its lease expires.
      await next.first(20_000);
    } finally {
      await proxy.close();
    }
  });

  test('stays queued through cuts and restarts', async () => {
    const server = await startEtcd({ own: true });
    const proxy = await startTcpProxy(server.endpoint);
    try {
      const direct = fixture.client({ endpoints: server.endpoint, ...QUICK });
      const owner = holder.hold(direct.lock('loss/waiting', TTL));
      await owner.first();
      const waiting = holder.hold(fixture.client({ endpoints: proxy.endpoint, ...QUICK }).lock('loss/waiting', TTL));
      await queued('loss/waiting', 2, direct);
      for (let round = 0; round < 3; round++) proxy.cut();
      await server.restart();
      proxy.cut();
      owner.leave();
      await waiting.first(20_000);
    } finally {
      await proxy.close();
      await server.stop();
    }
  });

  test('stays queued and owned through compactions', async () => {
    const { etcd } = fixture;
    const proxy = await startTcpProxy(fixture.server.endpoint);
    try {
      const through = fixture.client({ endpoints: proxy.endpoint, ...QUICK });
      const [owner, waiting] = [holder.hold(through.lock('loss/compacted', TTL)), holder.hold(through.lock('loss/compacted', TTL))];
      await queued('loss/compacted', 2);
      const compactAway = async () => {
        await proxy.refuse();
        for (let round = 0; round < 5; round++) await only(etcd.kv.put('loss/noise', String(round)));
        await only(etcd.kv.compact((await only(etcd.kv.put('loss/noise', ''))).header.revision));
        await proxy.accept();
      };
      const [first, second] = (await waitForValue(
        () => [owner, waiting].sort((a, b) => b.values.length - a.values.length),
        ([one]) => one?.values.length === 1,
      )) as [typeof owner, typeof owner];
      await compactAway();
      await compactAway();
      expect(await stillOwned(first.values[0]!)).toBe(true);
      first.leave();
      const next = await second.first();
      // The key is deleted while the client is disconnected.
      await proxy.refuse();
      await only(etcd.kv.delete(next.key));
      await compactAway();
      expect(await second.failure()).toMatchObject({ reason: 'LockLost' });
    } finally {
      await proxy.close();
    }
  });
});

describe('the name of a lock', () => {
  const NAMES = ['a/b//c/', '/', 'ключ/🔒', 'nul\0in it', ' ', 'a\nb', '%2F..', 'x'.repeat(5_000)];

  test.each(NAMES.map((name) => [name.length > 99 ? 'of 5000 letters' : JSON.stringify(name), name]))('may be %s', async (_, name) => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock(name, TTL));
    const ownership = await owner.first();
    expect((await only(etcd.lockWaiters(name))).map((claim) => claim.key)).toEqual([ownership.key]);
    const waiting = holder.hold(etcd.lock(name, TTL));
    await waitForValue(
      () => only(etcd.lockWaiters(name)),
      ({ length }) => length === 2,
    );
    expect(await stillOwned(ownership)).toBe(true);
    owner.leave();
    await waiting.first();
  });

  test("includes the names below it, as in etcd's Go client", async () => {
    const { etcd } = fixture;
    const below = holder.hold(etcd.lock('tree/branch', TTL));
    await below.first();
    const above = holder.hold(etcd.lock('tree', TTL));
    await queued('tree', 2);
    expect(above.values).toEqual([]);
    below.leave();
    await above.first();
  });

  test('must be a valid string', async () => {
    const held = holder.hold(fixture.etcd.lock('', TTL));
    const error = await held.failure();
    expect(hasReason(error, 'InvalidArgument')).toBe(true);
  });
});
