import { afterEach, describe, expect, test } from '@jest/globals';
import { idToHex, put, type LockHandle } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { Holder } from './support/holding.js';
import { failureWith, only } from './support/outcomes.js';
import { seenAtLeast, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const holder = new Holder();
afterEach(() => holder.letGo());

const TTL = { ttl: 30 };
const claims = (name: string) => fixture.etcd.kv.count({ prefix: `${name}/` });
const queued = (name: string, count: number) =>
  waitForValue(
    () => only(claims(name)),
    (now) => now === count,
  );

/** Returns a txn that takes effect only as long as the lock is owned. */
const guarded = ({ guard }: LockHandle, to: string) =>
  only(fixture.etcd.kv.txn({ compare: [guard], success: [put(to, 'done')] })).then(({ succeeded }) => succeeded);

describe('a lock', () => {
  test('is owned by a key as etcdctl and the Go client create it, and released by unsubscribing', async () => {
    const { etcd } = fixture;
    const held = holder.hold(etcd.lock('lock/own', TTL));
    const ownership = await held.first();
    expect(ownership).toMatchObject({ name: 'lock/own', key: `lock/own/${idToHex(ownership.lease)}`, alive: true });
    expect(await only(etcd.kv.get(ownership.key))).toMatchObject({ lease: ownership.lease, createRevision: ownership.revision, value: '' });
    expect(await guarded(ownership, 'lock/own-work')).toBe(true);
    held.leave();
    expect(ownership.alive).toBe(false);
    await queued('lock/own', 0);
    expect(await guarded(ownership, 'lock/own-work')).toBe(false);
    expect((await only(etcd.lease.timeToLive(ownership.lease))).ttl).toBe(-1);
  });

  test('is acquired in the order of the waiters, by one at a time, with a fencing revision that grows', async () => {
    const { etcd } = fixture;
    const gate = holder.hold(etcd.lock('lock/order', TTL));
    await gate.first();
    const owners: number[] = [];
    const revisions: number[] = [];
    const works: Promise<void>[] = [];
    let owning = 0;
    for (let turn = 0; turn < 8; turn++) {
      const held = holder.hold(etcd.lock('lock/order', TTL), (ownership) => {
        owning += 1;
        expect(owning).toBe(1);
        owners.push(turn);
        revisions.push(ownership.revision);
        const work = guarded(ownership, 'lock/order-work').then((done) => {
          expect(done).toBe(true);
          owning -= 1;
          held.leave();
        });
        works.push(work);
      });
      await queued('lock/order', turn + 2);
    }
    gate.leave();
    await waitForValue(
      () => owners,
      ({ length }) => length === 8,
    );
    // The last one must not be unsubscribed while it writes.
    await Promise.all(works);
    expect(owners).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
  });

  test('lists the owner and the waiters in their order', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock('lock/claims', TTL));
    const { key: first, revision } = await owner.first();
    const waiting = holder.hold(etcd.lock('lock/claims', TTL));
    await queued('lock/claims', 2);
    const list = await only(etcd.lockWaiters('lock/claims'));
    expect(list[0]).toMatchObject({ key: first, revision });
    expect(list[1]?.revision).toBeGreaterThan(revision);
    owner.leave();
    expect((await waiting.first()).key).toBe(list[1]?.key);
    expect(await only(etcd.lockWaiters('lock/claims'))).toEqual([list[1]]);
  });

  test('can be awaited without being acquired, until it has no owner and no waiter', async () => {
    const { etcd } = fixture;
    const free = watching(etcd.whenUnlocked('lock/free'));
    await seenAtLeast(free, 1);
    expect(free.completed).toBe(true);
    const owner = holder.hold(etcd.lock('lock/free', TTL));
    await owner.first();
    const next = holder.hold(etcd.lock('lock/free', TTL));
    await queued('lock/free', 2);
    await failureWith('DeadlineExceeded', etcd.whenUnlocked('lock/free', { timeoutMs: 100 }));
    const waiting = watching(etcd.whenUnlocked('lock/free'));
    owner.leave();
    await next.first();
    expect(waiting.values).toEqual([]);
    next.leave();
    await seenAtLeast(waiting, 1);
    expect(waiting.completed).toBe(true);
    expect(await only(etcd.lockWaiters('lock/free'))).toEqual([]);
  });

  test('loses a waiter that unsubscribes at once, without an effect on the others', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock('lock/give-up', TTL));
    await owner.first();
    const impatient = holder.hold(etcd.lock('lock/give-up', TTL));
    await queued('lock/give-up', 2);
    const patient = holder.hold(etcd.lock('lock/give-up', TTL));
    await queued('lock/give-up', 3);
    impatient.leave();
    await queued('lock/give-up', 2);
    owner.leave();
    await patient.first();
    expect(patient.values).toHaveLength(1);
  });

  test('that is not acquired in time fails, and its queue entry is deleted', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock('lock/timeout', TTL));
    await owner.first();
    await failureWith('DeadlineExceeded', etcd.lock('lock/timeout', { ...TTL, timeoutMs: 300 }));
    await queued('lock/timeout', 1);
    // A lock that was acquired in time is held without a limit.
    owner.leave();
    const held = holder.hold(etcd.lock('lock/timeout', { ...TTL, timeoutMs: 60_000 }));
    expect((await held.first()).alive).toBe(true);
  });

  test('that another owns fails with `Locked` if `wait` is false', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.tryLock('lock/try', TTL));
    await owner.first();
    await failureWith('Locked', etcd.tryLock('lock/try', TTL));
    await queued('lock/try', 1);
    owner.leave();
    await queued('lock/try', 0);
    await holder.hold(etcd.tryLock('lock/try', TTL)).first();
  });

  test('with a lease of the caller is released without ending the lease', async () => {
    const { etcd } = fixture;
    const { id } = await only(etcd.lease.grant(30));
    const held = holder.hold(etcd.lock('lock/own-lease', { lease: id }));
    expect((await held.first()).key).toBe(`lock/own-lease/${idToHex(id)}`);
    held.leave();
    await queued('lock/own-lease', 0);
    expect((await only(etcd.lease.timeToLive(id))).ttl).toBeGreaterThan(0);
    await only(etcd.lease.revoke(id));
    await failureWith('LeaseNotFound', etcd.lock('lock/own-lease', { lease: id }));
  });

  test.each([{}, { reentrant: { holder: 'me' } }])('with a lease of the caller can be acquired again at once: %j', async (how) => {
    const { etcd } = fixture;
    const { id } = await only(etcd.lease.grant(30));
    for (let round = 0; round < 30; round++) {
      const held = holder.hold(etcd.lock('lock/again', { lease: id, ...how }));
      const { guard } = await held.first();
      // Two round trips: the release of the one before would be complete by now.
      for (const _ of [1, 2]) expect((await only(etcd.kv.txn({ compare: [guard] }))).succeeded).toBe(true);
      held.leave();
    }
    await queued('lock/again', 0);
    await only(etcd.lease.revoke(id));
  });

  test('with a lease of the caller leaves no key, although it is unsubscribed before the response', async () => {
    const { etcd } = fixture;
    const { id } = await only(etcd.lease.grant(30));
    const other = fixture.client();
    for (let round = 0; round < 50; round++) other.lock(`lock/early/${round}`, { lease: id }).subscribe().unsubscribe();
    // It waits for the response to the request that was sent.
    expect((await other.close({ timeoutMs: 60_000 })).unreleased).toEqual([]);
    expect((await only(etcd.lease.timeToLive(id, { keys: true }))).keys).toEqual([]);
    await only(etcd.lease.revoke(id));
  });
});

/** This server has no other watches and events: those of earlier tests may end late. */
describe('a lock with many waiters', () => {
  const fixture = withEtcd({ own: true });

  async function metric(name: string): Promise<number> {
    const families = await only(fixture.etcd.metrics());
    return families.flatMap(({ samples }) => samples).reduce((sum, sample) => sum + (sample.name === name ? sample.value : 0), 0);
  }

  test('notifies one waiter when it is released, not all of them', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock('lock/herd', TTL));
    const { key } = await owner.first();
    const waiting = Array.from({ length: 20 }, () => holder.hold(etcd.lock('lock/herd', TTL)));
    // Every candidate watches its own key, and each waiter also the key before it.
    await waitForValue(
      () => metric('etcd_debugging_mvcc_watcher_total'),
      (count) => count === 1 + 2 * waiting.length,
    );
    const before = await metric('etcd_debugging_mvcc_events_total');
    // The test does not unsubscribe: whether the owner is then notified depends on which of its two connections is faster.
    await only(etcd.kv.delete(key));
    await waitForValue(
      () => waiting.filter(({ values }) => values.length > 0).length,
      (count) => count === 1,
    );
    // One event for the owner, and one for the next.
    expect((await metric('etcd_debugging_mvcc_events_total')) - before).toBe(2);
    // Since then, only the next waiter was notified.
    expect(waiting.filter(({ values, error }) => values.length > 0 || error !== undefined)).toHaveLength(1);
  });
});
