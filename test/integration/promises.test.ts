import { afterEach, describe, expect, test } from '@jest/globals';
import { del, hasReason, hold, key, put, type RangeResponse } from 'rxetcd';
import { lastValueFrom, switchMap, take, toArray } from 'rxjs';
import { untilReleased } from 'rxetcd/operators';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const queued = (name: string) => only(fixture.etcd.kv.count({ prefix: `${name}/` }));

/** The error that a Promise rejects with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => Promise.reject(new Error('it did not reject')),
    (error: unknown) => error,
  );

const open: { release(): Promise<void> }[] = [];
const kept = <H extends { release(): Promise<void> }>(held: H): H => {
  open.push(held);
  return held;
};
afterEach(() => Promise.all(open.splice(0).map((held) => held.release().catch(() => undefined))));

const proxies: TcpProxy[] = [];
afterEach(() => Promise.all(proxies.splice(0).map((proxy) => proxy.close())));

describe('the promises of a client', () => {
  test('write and read', async () => {
    const { promises } = fixture.etcd;
    await promises.kv.put('promises/a', '1');
    expect((await promises.kv.get('promises/a'))?.value).toBe('1');
    expect(await promises.kv.exists('promises/b')).toBe(false);
    const { succeeded } = await promises.kv.txn({ compare: [key('promises/a').version.equals(0)], failure: [del('promises/a')] });
    expect(succeeded).toBe(false);
    expect(await promises.kv.count({ prefix: 'promises/a' })).toBe(0);
    await promises.kv.put('promises/entries/__proto__', '1');
    await promises.kv.put('promises/entries/b', '2');
    const entries = await promises.kv.entries({ prefix: 'promises/entries/' });
    expect(Object.entries(entries)).toEqual([
      ['promises/entries/__proto__', '1'],
      ['promises/entries/b', '2'],
    ]);
    const { id } = await promises.lease.grant(30);
    expect((await promises.lease.timeToLive(id)).grantedTtl).toBe(30);
    await promises.lease.revoke(id);
  });

  test('reject with the error of the call', async () => {
    const { promises } = fixture.etcd;
    expect(hasReason(await rejection(promises.kv.put('', '1')), 'EmptyKey')).toBe(true);
    expect(
      hasReason(await rejection(promises.lease.revoke((await promises.lease.grant(30)).id).then(() => promises.kv.get(''))), 'EmptyKey'),
    ).toBe(true);
  });

  test('exist in a namespace, a recipe and a transaction as well', async () => {
    const { etcd } = fixture;
    const within = etcd.promises.namespace('promises/ns/');
    await within.kv.put('a', '1');
    expect((await etcd.namespace('promises/ns/').promises.kv.get('a'))?.key).toBe('a');
    const { result } = await within.stm(async (tx) => {
      const before = Number((await tx.get('a'))?.value);
      tx.put('a', String(before + 1));
      return before;
    });
    expect(result).toBe(1);
    const { kv } = await etcd.promises.update('promises/ns/a', (current) => `${current?.value}!`);
    expect(kv?.value).toBe('2!');
    const queue = etcd.promises.queue('promises/queue');
    await queue.enqueue('mail');
    expect((await queue.dequeue()).value).toBe('mail');
  });

  test('end with the signal of withSignal, as streams do', async () => {
    const { promises } = fixture.etcd;
    const controller = new AbortController();
    const within = promises.withSignal(controller.signal);
    await within.kv.put('promises/signal', '1');
    const waiting = within.barrier('promises/signal').wait();
    const changes = within.watch('promises/signal')[Symbol.asyncIterator]();
    const change = changes.next();
    controller.abort();
    expect(hasReason(await rejection(waiting), 'Aborted')).toBe(true);
    expect(hasReason(await rejection(change), 'Aborted')).toBe(true);
    expect(hasReason(await rejection(within.kv.get('promises/signal')), 'Aborted')).toBe(true);
    expect(hasReason(await rejection(within.lock('promises/signal-lock')), 'Aborted')).toBe(true);
  });

  test('iterate over a stream, which ends with the loop', async () => {
    const { etcd } = fixture;
    const seen: string[] = [];
    const revision = (await etcd.promises.kv.put('promises/stream', '0')).header.revision;
    for await (const { kv } of etcd.promises.watch('promises/stream', { startRevision: revision })) {
      seen.push(kv.value);
      if (seen.length === 3) break;
      await etcd.promises.kv.put('promises/stream', String(seen.length));
    }
    expect(seen).toEqual(['0', '1', '2']);
  });

  test('read a page when it is requested', async () => {
    const { etcd } = fixture;
    await Promise.all([1, 2, 3, 4].map((index) => etcd.promises.kv.put(`promises/pages/${index}`, '')));
    const pages = etcd.promises.kv.pages({ prefix: 'promises/pages/' }, { pageSize: 2 })[Symbol.asyncIterator]();
    const read = async () => (await pages.next()) as IteratorResult<RangeResponse, undefined>;
    const first = await read();
    expect(first.value?.kvs.map((kv) => kv.key)).toEqual(['promises/pages/1', 'promises/pages/2']);
    const second = await read();
    expect(second.value?.kvs).toHaveLength(2);
    expect((await read()).done).toBe(true);
    const all = await only(etcd.kv.pages({ prefix: 'promises/pages/' }, { pageSize: 2 }).pipe(toArray()));
    expect(all).toHaveLength(2);
  });
});

describe('something that is held by a promise', () => {
  test('no longer exists on the server when the release has resolved', async () => {
    const { etcd } = fixture;
    for (let turn = 0; turn < 20; turn++) {
      const held = await hold(etcd.lock('promises/lock', { ttl: 30 }));
      expect(held.value.alive).toBe(true);
      await held.release();
      expect(await queued('promises/lock')).toBe(0);
      expect(held.value.alive).toBe(false);
      expect(held.signal.aborted).toBe(false);
    }
  });

  test('no longer exists on the server when a promise of its Observable resolves with untilReleased', async () => {
    const { etcd } = fixture;
    for (let turn = 0; turn < 20; turn++) {
      const work = etcd.lock('promises/observed', { ttl: 30 }).pipe(
        switchMap(() => etcd.kv.put('promises/work', String(turn))),
        take(1),
        untilReleased(),
      );
      await lastValueFrom(work);
      expect(await queued('promises/observed')).toBe(0);
    }
  });

  test('is released by await using', async () => {
    const { etcd } = fixture;
    {
      await using held = await etcd.promises.lock('promises/using', { ttl: 30 });
      expect(await queued('promises/using')).toBe(1);
      expect(held.value.name).toBe('promises/using');
    }
    expect(await queued('promises/using')).toBe(0);
  });

  test('aborts its signal and rejects when it is lost', async () => {
    const { etcd } = fixture;
    const held = kept(await hold(etcd.lock('promises/lost', { ttl: 30 })));
    expect(await only(etcd.lease.revoke(held.value.lease))).toBeDefined();
    const error = await rejection(held.lost);
    expect(hasReason(error, 'LockLost')).toBe(true);
    expect(held.signal.aborted).toBe(true);
    expect(held.signal.reason).toBe(error);
    await held.release();
  });

  test('no longer exists on the server when the release after a loss has resolved', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    proxies.push(proxy);
    const held = await hold(fixture.client({ endpoints: proxy.endpoint }).lock('promises/lost-release', { ttl: 30 }));
    const { key, lease } = held.value;
    await only(fixture.etcd.kv.put('promises/lost-with-it', '', { lease }));
    // The revocation takes a while.
    proxy.up.delayMs = 500;
    await only(fixture.etcd.kv.delete(key));
    await rejection(held.lost);
    await held.release();
    expect(await only(fixture.etcd.kv.exists('promises/lost-with-it'))).toBe(false);
  });

  test('is lost without an error if no handler is there', async () => {
    const { etcd } = fixture;
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    const held = kept(await hold(etcd.lock('promises/silent', { ttl: 30 })));
    await etcd.promises.lease.revoke(held.value.lease);
    await waitForValue(() => held.signal.aborted, Boolean);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test('ends its wait with the signal, and leaves the queue', async () => {
    const { etcd } = fixture;
    const owner = kept(await hold(etcd.lock('promises/wait', { ttl: 30 })));
    const controller = new AbortController();
    const waiting = hold(etcd.lock('promises/wait', { ttl: 30 }), { signal: controller.signal });
    await waitForValue(
      () => queued('promises/wait'),
      (count) => count === 2,
    );
    controller.abort();
    expect(hasReason(await rejection(waiting), 'Aborted')).toBe(true);
    await waitForValue(
      () => queued('promises/wait'),
      (count) => count === 1,
    );
    await owner.release();
  });

  test.each([
    ['a lease', () => fixture.etcd.promises.lease({ ttl: 30 })],
    ['a permit', () => fixture.etcd.promises.semaphore('promises/permit', 2)],
    ['a read lock', () => fixture.etcd.promises.readLock('promises/rw')],
    ['a registration', () => fixture.etcd.promises.services('promises/web').register('a', { addr: '10.0.0.1:80' })],
    ['a leadership', () => fixture.etcd.promises.election('promises/election').campaign('me')],
  ] as const)('%s', async (_, take) => {
    const { promises } = fixture.etcd;
    const before = (await promises.lease.leases()).leases.length;
    const held = kept(await take());
    expect((await promises.lease.leases()).leases.length).toBe(before + 1);
    await held.release();
    expect((await promises.lease.leases()).leases.length).toBe(before);
  });

  test('has promise methods in its value', async () => {
    const { promises } = fixture.etcd;
    const leader = kept(await promises.election('promises/methods').campaign('one'));
    await leader.value.proclaim('two');
    expect((await promises.kv.get(leader.value.key))?.value).toBe('two');
    await leader.value.resign();
    expect(hasReason(await rejection(leader.lost), 'LockLost')).toBe(true);
    const lease = kept(await promises.lease({ ttl: 30 }));
    expect(await lease.value.lease.keys()).toEqual([]);
  });
});

describe('promises.withLock', () => {
  test('resolves with the result after the release', async () => {
    const { etcd } = fixture;
    const done = await etcd.promises.withLock('promises/with', async ({ guard }) => {
      await etcd.promises.kv.txn({ compare: [guard], success: [put('promises/with-work', 'done')] });
      return queued('promises/with');
    });
    expect(done).toBe(1);
    expect(await queued('promises/with')).toBe(0);
    expect((await etcd.promises.kv.get('promises/with-work'))?.value).toBe('done');
  });

  test('rejects with the error of the work after the release', async () => {
    const { etcd } = fixture;
    const failed = etcd.promises.withLock('promises/with', () => Promise.reject(new Error('no')));
    expect(await rejection(failed)).toEqual(new Error('no'));
    expect(await queued('promises/with')).toBe(0);
  });

  test('aborts the work when the lock is lost', async () => {
    const { etcd } = fixture;
    let aborted: unknown;
    const work = etcd.promises.withLock('promises/with', async ({ lease }, signal) => {
      const end = new Promise((resolve) => signal.addEventListener('abort', resolve));
      await etcd.promises.lease.revoke(lease);
      await end;
      aborted = signal.reason;
    });
    const error = await rejection(work);
    expect(hasReason(error, 'LockLost')).toBe(true);
    await waitForValue(
      () => aborted,
      (reason) => reason === error,
    );
  });
});
