import { afterEach, describe, expect, test } from '@jest/globals';
import { hasReason, hold, type Client, type EtcdError, type Held, type Session } from 'rxetcd';
import { merge, switchMap, type Observable, type Subscription } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const TTL = 30;
const count = (prefix: string) => only(fixture.etcd.kv.count({ prefix }));
const isGone = async (prefix: string) =>
  void (await waitForValue(
    () => count(prefix),
    (keys) => keys === 0,
  ));

const open: Subscription[] = [];
const opened: Held<Session>[] = [];
afterEach(async () => {
  for (const subscription of open.splice(0)) subscription.unsubscribe();
  await Promise.all(opened.splice(0).map((held) => held.release().catch(() => undefined)));
});

async function openSession(ttl = TTL): Promise<Held<Session>> {
  const held = await hold(fixture.etcd.session({ ttl }));
  opened.push(held);
  return held;
}

/** The notifications of an Observable. */
class Story {
  values = 0;
  error: EtcdError | undefined;
  completed = false;
  readonly subscription: Subscription;

  constructor(source: Observable<unknown>) {
    this.subscription = source.subscribe({
      next: () => (this.values += 1),
      error: (error: EtcdError) => (this.error = error),
      complete: () => (this.completed = true),
    });
    open.push(this.subscription);
  }

  emitted(values = 1): Promise<number> {
    return waitForValue(
      () => this.values,
      (seen) => seen >= values,
    );
  }

  failed(): Promise<EtcdError | undefined> {
    return waitForValue(
      () => this.error,
      (error) => error !== undefined,
    );
  }
}

/** Everything that a session can hold. */
const HOLDERS: readonly [name: string, hold: (etcd: Client, name: string, session: Session) => Observable<unknown>, key: string][] = [
  ['a lock', (etcd, name, session) => etcd.lock(name, { session }), 'lock'],
  ['a lock that is tried', (etcd, name, session) => etcd.tryLock(name, { session }), 'tried'],
  ['a reentrant lock', (etcd, name, session) => etcd.lock(name, { session, reentrant: 'process' }), 'reentrant'],
  ['a read lock', (etcd, name, session) => etcd.readLock(name, { session }), 'read'],
  ['a permit', (etcd, name, session) => etcd.semaphore(name, 2, { session }), 'permit'],
  ['a leadership', (etcd, name, session) => etcd.election(name).campaign('me', { session }), 'leader'],
  ['a member of a double barrier', (etcd, name, session) => etcd.doubleBarrier(name, 1).enter({ session }), 'barrier'],
  ['a registration', (etcd, name, session) => etcd.services(name).register('a', { addr: 'a:1', session }), 'service'],
  ['an announced key', (etcd, name, session) => etcd.announce(`${name}/a`, 'a', { session }), 'announced'],
];

describe('a session', () => {
  test('has one lease for all its locks and keys, and ends them together', async () => {
    const { etcd } = fixture;
    const session = await openSession();
    const held = HOLDERS.filter(([name]) => name !== 'a reentrant lock').map(
      ([, hold, key]) => new Story(hold(etcd, `session/all/${key}`, session.value)),
    );
    await Promise.all(held.map((story) => story.emitted()));
    const { keys } = await only(etcd.lease.timeToLive(session.value.lease, { keys: true }));
    expect(keys.length).toBe(held.length);
    expect(session.value.alive).toBe(true);
    expect(session.value.ttl).toBe(TTL);
    await session.release();
    expect(session.value.alive).toBe(false);
    expect(session.value.remainingMs).toBe(0);
    expect(await count('session/all/')).toBeLessThanOrEqual(1); // The mark of the double barrier.
    for (const story of held) expect(hasReason(story.error, 'LockLost', 'LeaseLost')).toBe(true);
  });

  test.each(HOLDERS)('whose lease is lost ends %s', async (_, hold, key) => {
    const { etcd } = fixture;
    // A registration notices the loss at its next refresh.
    const session = await openSession(6);
    const held = new Story(hold(etcd, `session/lost/${key}`, session.value));
    await held.emitted();
    await only(etcd.lease.revoke(session.value.lease));
    const error = await held.failed();
    expect(hasReason(error, 'LockLost', 'LeaseLost')).toBe(true);
  });

  test.each(HOLDERS)('that continues leaves nothing of %s that was unsubscribed', async (_, hold, key) => {
    const session = await openSession();
    for (let round = 0; round < 3; round += 1) {
      const held = new Story(hold(fixture.etcd, `session/left/${key}`, session.value));
      await held.emitted();
      held.subscription.unsubscribe();
    }
    await waitForValue(
      () => count(`session/left/${key}`),
      (keys) => keys === (key === 'barrier' ? 1 : 0),
    );
    expect(session.value.alive).toBe(true);
    const { keys } = await only(fixture.etcd.lease.timeToLive(session.value.lease, { keys: true }));
    expect(keys).toEqual([]);
  });

  test.each(HOLDERS)('that has ended grants no %s', async (_, hold, key) => {
    const session = await openSession();
    await session.release();
    await failureWith('LeaseLost', hold(fixture.etcd, `session/ended/${key}`, session.value));
    expect(await count(`session/ended/${key}`)).toBe(0);
  });

  test('that is orphaned leaves its lease and keys, and another process continues with it', async () => {
    const { etcd } = fixture;
    const session = await openSession();
    const { lease } = session.value;
    const lock = new Story(etcd.lock('session/orphan', { session: session.value }));
    const key = new Story(etcd.announce('session/orphan-key', '1', { session: session.value }));
    await Promise.all([lock.emitted(), key.emitted()]);
    session.value.orphan();
    session.value.orphan();
    expect(hasReason(lock.error, 'LockLost')).toBe(true);
    expect(hasReason(key.error, 'LeaseLost')).toBe(true);
    expect(session.value.alive).toBe(false);
    expect(session.signal.aborted).toBe(true);
    await session.release();
    expect(await count('session/orphan/')).toBe(1);
    expect(await count('session/orphan-key')).toBe(1);
    const other = fixture.client();
    const adopted = new Story(other.lease.adopt(lease, { release: 'revoke' }));
    const again = new Story(other.lock('session/orphan', { lease }));
    await Promise.all([adopted.emitted(), again.emitted()]);
    adopted.subscription.unsubscribe();
    await isGone('session/orphan');
  });

  test('fails its waiters when it ends', async () => {
    const { etcd } = fixture;
    const owner = new Story(etcd.lock('session/wait', { ttl: TTL }));
    await owner.emitted();
    const session = await openSession();
    const waiter = new Story(etcd.lock('session/wait', { session: session.value }));
    await waitForValue(
      () => count('session/wait/'),
      (keys) => keys === 2,
    );
    await session.release();
    expect(hasReason(waiter.error, 'LockLost')).toBe(true);
    expect(await count('session/wait/')).toBe(1);
  });

  test('can acquire again after a key was deleted, but not after its own end', async () => {
    const { etcd } = fixture;
    const session = await openSession();
    const types: string[] = [];
    const events = etcd.lock('session/again', { session: session.value, onLost: 'reacquire' });
    let failure: unknown;
    open.push(events.subscribe({ next: ({ type }) => types.push(type), error: (error: unknown) => (failure = error) }));
    await waitForValue(
      () => types.join(),
      (seen) => seen === 'owned',
    );
    await only(etcd.kv.delete({ prefix: 'session/again/' }));
    await waitForValue(
      () => types.join(),
      (seen) => seen === 'owned,lost,owned',
    );
    await session.release();
    await waitForValue(() => hasReason(failure, 'LeaseLost'), Boolean);
    expect(types.join()).toBe('owned,lost,owned,lost');
  });

  test('completes with all its locks and keys when the client is closed', async () => {
    const etcd = fixture.client();
    const session = new Story(
      etcd
        .session({ ttl: TTL })
        .pipe(switchMap((opened) => merge(...HOLDERS.map(([, hold, key]) => hold(etcd, `session/close/${key}`, opened))))),
    );
    await session.emitted(HOLDERS.length);
    const { unreleased } = await etcd.close();
    expect(unreleased).toEqual([]);
    expect(session.error).toBeUndefined();
    expect(session.completed).toBe(true);
    expect(await count('session/close/')).toBeLessThanOrEqual(1);
  });

  test('works in a namespace, and for another user of the client', async () => {
    const { etcd } = fixture;
    const session = await openSession();
    const derived = etcd.withAuth(undefined);
    const inNamespace = new Story(etcd.namespace('session/ns/').lock('a', { session: session.value }));
    const ofAnother = new Story(derived.lock('session/ns/b', { session: session.value }));
    await Promise.all([inNamespace.emitted(), ofAnother.emitted()]);
    expect(await count('session/ns/')).toBe(2);
    await session.release();
    expect(await count('session/ns/')).toBe(0);
    expect([inNamespace, ofAnother].every(({ error }) => hasReason(error, 'LockLost'))).toBe(true);
  });

  test('is held by a promise, whose value works as the option session', async () => {
    const { promises } = fixture.etcd;
    await using session = await promises.session({ ttl: TTL });
    await using lock = await promises.lock('session/promise', { session: session.value });
    expect(lock.value.lease).toBe(session.value.lease);
    session.value.orphan();
    expect(session.value.alive).toBe(false);
    expect(hasReason(lock.signal.reason, 'LockLost')).toBe(true);
    await promises.lease.revoke(session.value.lease);
  });

  test('with a thousand locks ends at once', async () => {
    const { etcd } = fixture;
    const session = await openSession();
    const locks = Array.from({ length: 1_000 }, (_, index) => etcd.lock(`session/many/${index}`, { session: session.value }));
    const held = new Story(merge(...locks));
    await held.emitted(locks.length);
    await session.release();
    expect(hasReason(held.error, 'LockLost')).toBe(true);
    expect(await count('session/many/')).toBe(0);
  });

  test('is rejected together with a lease, and if it is not a session', async () => {
    const { etcd } = fixture;
    const session = (await openSession()).value;
    for (const reentrant of [{}, { reentrant: 'thread' } as const]) {
      const error = await failureWith('InvalidArgument', etcd.lock('session/bad', { ...reentrant, session, lease: session.lease }));
      expect(error.message).toContain('no session together with the option lease');
    }
    await failureWith('InvalidArgument', etcd.lock('session/bad', { session: { lease: session.lease, alive: true } as never }));
    await failureWith('InvalidArgument', etcd.session({ ttl: 0 }));
  });
});
