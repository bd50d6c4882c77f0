import { afterEach, describe, expect, test } from '@jest/globals';
import type { Client, Leadership, LockHandle, OwnershipEvent } from 'rxetcd';
import { whileLeader, withLock } from 'rxetcd/operators';
import { finalize, NEVER, of, tap, type Observable } from 'rxjs';
import { startEtcd } from '../support/etcd/index.js';
import { startCuttingProxy } from '../support/faultProxies/cuttingProxy.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { Holder, type Holding } from './support/holding.js';
import { only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const holder = new Holder();
const proxies: Pick<TcpProxy, 'close'>[] = [];
afterEach(async () => {
  holder.letGo();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});

const TTL = { ttl: 30 };
const AGAIN = { onLost: 'reacquire' } as const;
const QUICK = { requestTimeoutMs: 10_000, streams: { initialBackoffMs: 5, maxBackoffMs: 200 } };

async function proxied(): Promise<{ readonly proxy: TcpProxy; readonly away: Client }> {
  const proxy = await startTcpProxy(fixture.server.endpoint);
  proxies.push(proxy);
  return { proxy, away: fixture.client({ endpoints: proxy.endpoint, ...QUICK }) };
}

type Acquire = (etcd: Client, name: string, ttl: { readonly ttl: number }) => Observable<OwnershipEvent<LockHandle>>;

/** Everything that is owned. */
const OWNED: readonly (readonly [string, Acquire])[] = [
  ['a lock', (etcd, name, ttl) => etcd.lock(name, { ...ttl, ...AGAIN })],
  ['a reentrant lock', (etcd, name, ttl) => etcd.lock(name, { ...ttl, ...AGAIN, reentrant: { holder: 'me' } })],
  ['a campaign', (etcd, name, ttl) => etcd.election(name).campaign('me', { ...ttl, ...AGAIN })],
  ['a permit', (etcd, name, ttl) => etcd.semaphore(name, 1, { ...ttl, ...AGAIN })],
  ['a read lock', (etcd, name, ttl) => etcd.readLock(name, { ...ttl, ...AGAIN })],
  ['a write lock', (etcd, name, ttl) => etcd.writeLock(name, { ...ttl, ...AGAIN })],
];

type Seen = Holding<OwnershipEvent<LockHandle>>;

const typesOf = ({ values }: Seen): readonly string[] => values.map(({ type }) => type);
const waitForTypes = (held: Seen, ...types: readonly string[]) =>
  waitForValue(
    () => {
      if (held.endedAt > 0) throw held.error ?? new Error('it completed');
      return typesOf(held);
    },
    (seen) => seen.length >= types.length,
  ).then((seen) => expect(seen).toEqual(types));
const ownedAt = ({ values }: Seen, index: number): LockHandle => {
  const event = values[index];
  if (event?.type !== 'owned') throw new Error(`${index} is no ownership`);
  return event;
};

describe.each(OWNED)('%s that is acquired again', (what, acquire) => {
  const nameOf = (test: string) => `again/${test}/${what}`;

  test('emits the loss when its key is deleted, and then the next ownership, with another revision and guard', async () => {
    const held = holder.hold(acquire(fixture.etcd, nameOf('deleted'), TTL));
    await waitForTypes(held, 'owned');
    const first = ownedAt(held, 0);
    await only(fixture.etcd.kv.delete(first.key));
    await waitForTypes(held, 'owned', 'lost', 'owned');
    expect(held.values[1]).toMatchObject({ error: { reason: 'LockLost' } });
    const second = ownedAt(held, 2);
    expect([first.alive, second.alive]).toEqual([false, true]);
    expect(second.revision).toBeGreaterThan(first.revision);
    const holds = ({ guard }: LockHandle) => only(fixture.etcd.kv.txn({ compare: [guard] })).then(({ succeeded }) => succeeded);
    expect([await holds(first), await holds(second)]).toEqual([false, true]);
  });

  test('survives the revocation of its lease', async () => {
    const held = holder.hold(acquire(fixture.etcd, nameOf('revoked'), TTL));
    await waitForTypes(held, 'owned');
    await only(fixture.etcd.lease.revoke(ownedAt(held, 0).lease));
    await waitForTypes(held, 'owned', 'lost', 'owned');
  });

  test('is acquired, and acquired again, although the response to each of its calls is lost once', async () => {
    const proxy = await startCuttingProxy(fixture.server.endpoint);
    proxies.push(proxy);
    const away = fixture.client({ endpoints: proxy.endpoint, ...QUICK });
    proxy.cutEach();
    const held = holder.hold(acquire(away, nameOf('cut'), TTL));
    await waitForTypes(held, 'owned');
    expect([...proxy.cuts].filter((path) => /lease\/grant$|kv\/txn$/.test(path)).length).toBe(2);
    proxy.cutEach();
    await only(fixture.etcd.lease.revoke(ownedAt(held, 0).lease));
    await waitForTypes(held, 'owned', 'lost', 'owned');
    expect([...proxy.cuts].filter((path) => /lease\/grant$|kv\/txn$/.test(path)).length).toBe(2);
    const { key } = ownedAt(held, 2);
    held.leave();
    // After any loss, it leaves nothing in the queue.
    await waitForValue(
      () => only(fixture.etcd.kv.exists(key)),
      (exists) => !exists,
    );
    const after = holder.hold(acquire(fixture.etcd, nameOf('cut'), TTL));
    await waitForTypes(after, 'owned');
  });

  test('waits for an etcd that is not reachable yet, and survives an outage longer than its lease', async () => {
    const { proxy, away } = await proxied();
    await proxy.refuse();
    const held = holder.hold(acquire(away, nameOf('outage'), { ttl: 3 }));
    // A single call fails after some attempts.
    await expect(only(away.kv.get('a'))).rejects.toMatchObject({ reason: 'Unreachable' });
    expect([typesOf(held), held.endedAt]).toEqual([[], 0]);
    await proxy.accept();
    await waitForTypes(held, 'owned');
    await proxy.refuse();
    await waitForTypes(held, 'owned', 'lost');
    await proxy.accept();
    await waitForTypes(held, 'owned', 'lost', 'owned');
  });
});

describe('a lock or leadership without `reacquire`', () => {
  const ONCE: readonly (readonly [string, (etcd: Client, name: string) => Observable<LockHandle>])[] = [
    ['a lock', (etcd, name) => etcd.lock(name, TTL)],
    ['a reentrant lock', (etcd, name) => etcd.lock(name, { ...TTL, reentrant: { holder: 'me' } })],
    ['a campaign', (etcd, name) => etcd.election(name).campaign('me', TTL)],
    ['a permit', (etcd, name) => etcd.semaphore(name, 1, TTL)],
    ['a read lock', (etcd, name) => etcd.readLock(name, TTL)],
    ['a write lock', (etcd, name) => etcd.writeLock(name, TTL)],
  ];

  test.each(ONCE)('waits for an etcd that cannot be reached yet: %s', async (what, acquire) => {
    const { proxy, away } = await proxied();
    await proxy.refuse();
    const held = holder.hold(acquire(away, `once/${what}`));
    // A single call fails after some attempts.
    await expect(only(away.kv.get('a'))).rejects.toMatchObject({ reason: 'Unreachable' });
    await proxy.accept();
    const { key } = await held.first();
    await only(fixture.etcd.kv.delete(key));
    expect(await held.failure()).toMatchObject({ reason: 'LockLost' });
    expect(held.values.length).toBe(1);
  });

  test('fails at once with tryLock, which does not wait for an etcd', async () => {
    const { proxy, away } = await proxied();
    await proxy.refuse();
    expect(await holder.hold(away.tryLock('once/try', TTL)).failure()).toMatchObject({ reason: 'Unreachable' });
  });
});

describe('Observables with `reacquire`', () => {
  test('wait for the end of the alarm NOSPACE if they were held before, and fail if it is active at the start', async () => {
    const server = await startEtcd({ own: true });
    try {
      const etcd = fixture.client({ endpoints: server.endpoint, ...QUICK });
      const full = { alarm: 'NOSPACE', memberId: (await only(etcd.maintenance.status())).header.memberId } as const;
      const lock = holder.hold(etcd.lock('full', { ...TTL, ...AGAIN }));
      const leadership = holder.hold(etcd.election('full-election').campaign('me', { ...TTL, ...AGAIN }));
      const lease = holder.hold(etcd.lease({ ...TTL, onLost: 'regrant' }));
      const service = holder.hold(etcd.services('full-services').register('me', { addr: 'a:1' }));
      const all = [lock, leadership, lease, service];
      await waitForValue(
        () => all,
        (held) => held.every(({ values }) => values.length === 1),
      );
      await only(etcd.maintenance.alarmActivate(full));
      const { leases } = await only(etcd.lease.leases());
      for (const { id } of leases) await only(etcd.lease.revoke(id));
      const lost = () => all.map(({ values }) => values.at(-1)?.type);
      // A lease is refreshed after a third of its TTL; the test requests a refresh now.
      const [granted] = lease.values;
      granted?.lease.refresh().subscribe({ error: () => undefined });
      await waitForValue(lost, (types) => types.slice(0, 3).every((type) => type === 'lost'));
      const others = etcd.services('full-others').register('me', { addr: 'a:1' });
      for (const begins of [etcd.lock('full', { ...TTL, ...AGAIN }), etcd.lease({ ...TTL, onLost: 'regrant' }), others])
        expect(await holder.hold<unknown>(begins).failure()).toMatchObject({ reason: 'NoSpace' });
      await only(etcd.maintenance.alarmDeactivate(full));
      await waitForValue(lost, (types) => types.slice(0, 3).join() === 'owned,owned,granted');
      expect(all.map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined]);
    } finally {
      await server.stop();
    }
  });
});

describe('a lock or leadership with `reacquire`', () => {
  test('passes to another client during an outage, and is reacquired after that one', async () => {
    const { proxy, away } = await proxied();
    const held = holder.hold(away.lock('again/other', { ttl: 5, ...AGAIN }));
    await waitForTypes(held, 'owned');
    const other = holder.hold(fixture.etcd.lock('again/other', TTL));
    await waitForValue(
      () => only(fixture.etcd.lockWaiters('again/other')),
      ({ length }) => length === 2,
    );
    await proxy.refuse();
    const { revision } = await other.first();
    await waitForTypes(held, 'owned', 'lost');
    await proxy.accept();
    await waitForValue(
      () => only(fixture.etcd.lockWaiters('again/other')),
      ({ length }) => length === 2,
    );
    expect(typesOf(held)).toEqual(['owned', 'lost']);
    other.leave();
    await waitForTypes(held, 'owned', 'lost', 'owned');
    expect(ownedAt(held, 2).revision).toBeGreaterThan(revision);
  });

  test('ends when a leader resigns', async () => {
    const held = holder.hold(fixture.etcd.election('again/resign').campaign('me', { ...TTL, ...AGAIN }));
    const event: OwnershipEvent<Leadership> = await held.first();
    if (event.type !== 'owned') throw new Error('it is not owned');
    await only(event.resign());
    await waitForValue(() => held.completed, Boolean);
    expect(typesOf(held)).toEqual(['owned']);
  });

  test('continues after resigning from a leadership that was lost before', async () => {
    const held = holder.hold(fixture.etcd.election('again/stale').campaign('me', { ...TTL, ...AGAIN }));
    const event: OwnershipEvent<Leadership> = await held.first();
    if (event.type !== 'owned') throw new Error('it is not owned');
    await only(fixture.etcd.kv.delete(event.key));
    await waitForTypes(held, 'owned', 'lost', 'owned');
    await only(event.resign());
    // An end would have been seen by then.
    await only(fixture.etcd.kv.get(ownedAt(held, 2).key));
    expect(held.completed).toBe(false);
    expect(ownedAt(held, 2).alive).toBe(true);
  });

  test('fails for a permanent reason: the end of a lease of the caller', async () => {
    const { id } = await only(fixture.etcd.lease.grant(30));
    const held = holder.hold(fixture.etcd.lock('again/own', { lease: id, ...AGAIN }));
    await waitForTypes(held, 'owned');
    await only(fixture.etcd.lease.revoke(id));
    expect(await held.failure()).toMatchObject({ reason: 'LeaseNotFound' });
    expect(typesOf(held)).toEqual(['owned', 'lost']);
  });

  test('applies `timeoutMs` to the first acquisition only', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock('again/first', TTL));
    const { key } = await owner.first();
    const late = holder.hold(etcd.lock('again/first', { ...TTL, ...AGAIN, timeoutMs: 100 }));
    expect(await late.failure()).toMatchObject({ reason: 'DeadlineExceeded' });
    await only(etcd.kv.delete(key));
    const held = holder.hold(etcd.lock('again/first', { ...TTL, ...AGAIN, timeoutMs: 60_000 }));
    await waitForTypes(held, 'owned');
    await only(etcd.kv.delete(ownedAt(held, 0).key));
    await waitForTypes(held, 'owned', 'lost', 'owned');
  });

  test.each([
    [
      'whileLeader',
      (etcd: Client, work: () => Observable<unknown>) =>
        etcd
          .election('again/work')
          .campaign('me', { ...TTL, ...AGAIN })
          .pipe(whileLeader(work)),
    ],
    [
      'withLock',
      (etcd: Client, work: () => Observable<unknown>) => of('job').pipe(withLock(etcd.lock('again/work', { ...TTL, ...AGAIN }), work)),
    ],
  ])('stops its work at a loss, and runs it again: %s', async (_, run) => {
    const { etcd } = fixture;
    const seen: string[] = [];
    const blocker = holder.hold(etcd.lock('again/work', TTL));
    await blocker.first();
    const work = () =>
      NEVER.pipe(
        tap({ subscribe: () => seen.push('begun') }),
        finalize(() => seen.push('stopped')),
      );
    const working = holder.hold(run(etcd, work));
    await waitForValue(
      () => only(etcd.lockWaiters('again/work')),
      ({ length }) => length === 2,
    );
    blocker.leave();
    await waitForValue(
      () => seen.length,
      (count) => count === 1,
    );
    const [claim] = await only(etcd.lockWaiters('again/work'));
    await only(etcd.kv.delete(claim?.key ?? ''));
    await waitForValue(
      () => seen.length,
      (count) => count === 3,
    );
    expect([seen, working.endedAt]).toEqual([['begun', 'stopped', 'begun'], 0]);
    working.leave();
    expect(seen).toEqual(['begun', 'stopped', 'begun', 'stopped']);
  });
});
