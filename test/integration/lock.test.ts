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

/** A txn that does its work only as long as the lock is owned. */
const guarded = ({ guard }: LockHandle, to: string) =>
  only(fixture.etcd.kv.txn({ compare: [guard], success: [put(to, 'done')] })).then(({ succeeded }) => succeeded);

describe('a lock', () => {
  test('is owned by a key that etcdctl and Go would have made, and released by unsubscribing', async () => {
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

  test('is owned in the order in which it was asked for, by one at a time, with a fencing revision that grows', async () => {
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
    // The last one must not be left while it writes.
    await Promise.all(works);
    expect(owners).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
  });

  test('shows who holds it and who waits, in their order', async () => {
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

  test('is waited for without being taken, until nobody has it or waits for it', async () => {
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

  test('that is not wanted any more is left at once by one who waits, and the others do not notice', async () => {
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

  test('that is not had in time is an error, and the place in the queue is gone', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock('lock/timeout', TTL));
    await owner.first();
    await failureWith('DeadlineExceeded', etcd.lock('lock/timeout', { ...TTL, timeoutMs: 300 }));
    await queued('lock/timeout', 1);
    // Had in time it is owned for as long as one likes.
    owner.leave();
    const held = holder.hold(etcd.lock('lock/timeout', { ...TTL, timeoutMs: 60_000 }));
    expect((await held.first()).alive).toBe(true);
  });

  test('that another holds is `Locked` for one who only tries', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.tryLock('lock/try', TTL));
    await owner.first();
    await failureWith('Locked', etcd.tryLock('lock/try', TTL));
    await queued('lock/try', 1);
    owner.leave();
    await queued('lock/try', 0);
    await holder.hold(etcd.tryLock('lock/try', TTL)).first();
  });

  test('by a lease of one’s own is released without its end', async () => {
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

  test.each([{}, { reentrant: { holder: 'me' } }])(
    'by a lease of one’s own can be had again at once, and is owned then: %j',
    async (how) => {
      const { etcd } = fixture;
      const { id } = await only(etcd.lease.grant(30));
      for (let round = 0; round < 30; round++) {
        const held = holder.hold(etcd.lock('lock/again', { lease: id, ...how }));
        const { guard } = await held.first();
        // Two round trips: the end of the one before would be through by now.
        for (const _ of [1, 2]) expect((await only(etcd.kv.txn({ compare: [guard] }))).succeeded).toBe(true);
        held.leave();
      }
      await queued('lock/again', 0);
      await only(etcd.lease.revoke(id));
    },
  );

  test('by a lease of one’s own leaves no key, though it is left before the answer', async () => {
    const { etcd } = fixture;
    const { id } = await only(etcd.lease.grant(30));
    const other = fixture.client();
    for (let round = 0; round < 50; round++) other.lock(`lock/early/${round}`, { lease: id }).subscribe().unsubscribe();
    // It waits for what was sent.
    await other.close();
    expect((await only(etcd.lease.timeToLive(id, { keys: true }))).keys).toEqual([]);
    await only(etcd.lease.revoke(id));
  });
});

/** Its server has no watches and events but its own: those of earlier tests may end late. */
describe('a lock that many wait for', () => {
  const fixture = withEtcd({ own: true });

  async function metric(name: string): Promise<number> {
    const families = await only(fixture.etcd.metrics());
    return families.flatMap(({ samples }) => samples).reduce((sum, sample) => sum + (sample.name === name ? sample.value : 0), 0);
  }

  test('wakes one waiter when it goes, not the herd', async () => {
    const { etcd } = fixture;
    const owner = holder.hold(etcd.lock('lock/herd', TTL));
    const { key } = await owner.first();
    const waiting = Array.from({ length: 20 }, () => holder.hold(etcd.lock('lock/herd', TTL)));
    // Everyone watches its own key, and each of those who wait the one before it.
    await waitForValue(
      () => metric('etcd_debugging_mvcc_watcher_total'),
      (count) => count === 1 + 2 * waiting.length,
    );
    const before = await metric('etcd_debugging_mvcc_events_total');
    // Not by leaving it: whether the owner then hears of it differs with which of its two connections is the faster.
    await only(etcd.kv.delete(key));
    await waitForValue(
      () => waiting.filter(({ values }) => values.length > 0).length,
      (count) => count === 1,
    );
    // To the owner, and to the next.
    expect((await metric('etcd_debugging_mvcc_events_total')) - before).toBe(2);
    // For every revision since, nobody but the next was spoken to.
    expect(waiting.filter(({ values, error }) => values.length > 0 || error !== undefined)).toHaveLength(1);
  });
});
