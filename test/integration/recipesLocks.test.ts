import { afterEach, describe, expect, test } from '@jest/globals';
import { idToHex, type Client, type LockHandle } from 'rxetcd';
import type { Observable } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { holding, type Holder } from './support/holder.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const open: Holder<LockHandle>[] = [];
afterEach(() => {
  for (const holder of open.splice(0)) holder.leave();
});

function hold(lock: Observable<LockHandle>): Holder<LockHandle> {
  const holder = holding(lock);
  open.push(holder);
  return holder;
}

const count = (prefix: string) => only(fixture.etcd.kv.count({ prefix }));
const inQueue = (prefix: string, places: number) =>
  waitForValue(
    () => count(prefix),
    (there) => there === places,
  );
const works = async ({ guard }: LockHandle) => (await only(fixture.etcd.kv.txn({ compare: [guard] }))).succeeded;

/** Several clients, in turn. */
function clients(): (index: number) => Client {
  const all = [fixture.etcd, fixture.client(), fixture.client()];
  return (index) => all[index % all.length] ?? fixture.etcd;
}

describe('a semaphore', () => {
  test('grants as many permits as it has, and the next one to the longest waiter', async () => {
    const permit = () => hold(fixture.etcd.semaphore('sem/fair', 2, { ttl: 10 }));
    const [a, b] = [permit(), permit()];
    const first = await a.had;
    await b.had;
    expect(first.key).toBe(`sem/fair/${idToHex(first.lease)}`);
    expect(await works(first)).toBe(true);
    const c = permit();
    await inQueue('sem/fair/', 3);
    const d = permit();
    await inQueue('sem/fair/', 4);
    expect([c.has, d.has]).toEqual([false, false]);
    b.leave();
    await c.had;
    expect(d.has).toBe(false);
    a.leave();
    await d.had;
    expect(await works(first)).toBe(false);
    c.leave();
    d.leave();
    await inQueue('sem/fair/', 0);
  });

  test('grants no more permits than it has, and all of them, to many clients', async () => {
    const client = clients();
    let inside = 0;
    let most = 0;
    const visit = async (index: number): Promise<void> => {
      const permit = hold(client(index).semaphore('sem/crowd', 3, { ttl: 10 }));
      const mine = await permit.had;
      most = Math.max(most, ++inside);
      // Long enough for one permit too many to be acquired.
      await waitForValue(
        () => most,
        (reached) => reached >= 3,
      );
      for (let look = 0; look < 3; look++) await only(fixture.etcd.kv.get('sem/crowd'));
      expect(await works(mine)).toBe(true);
      inside -= 1;
      permit.leave();
    };
    await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        for (let round = 0; round < 3; round++) await visit(index);
      }),
    );
    expect(most).toBe(3);
    await inQueue('sem/crowd/', 0);
  });

  test('passes on the permit of a client that dies; a waiter that unsubscribes leaves the queue', async () => {
    const a = hold(fixture.client().semaphore('sem/dies', 1, { ttl: 10 }));
    const { lease } = await a.had;
    const b = hold(fixture.etcd.semaphore('sem/dies', 1, { ttl: 10 }));
    await inQueue('sem/dies/', 2);
    const c = hold(fixture.etcd.semaphore('sem/dies', 1, { ttl: 10 }));
    await inQueue('sem/dies/', 3);
    b.leave();
    await inQueue('sem/dies/', 2);
    expect(c.has).toBe(false);
    await only(fixture.etcd.lease.revoke(lease));
    await c.had;
    expect(await a.lost).toMatchObject({ reason: 'LockLost' });
  });

  test('fails a waiter whose queue entry was deleted, instead of granting it a permit later', async () => {
    const a = hold(fixture.etcd.semaphore('sem/gone', 1, { ttl: 10 }));
    const { key } = await a.had;
    const b = hold(fixture.etcd.semaphore('sem/gone', 1, { ttl: 10 }));
    await inQueue('sem/gone/', 2);
    const [, waiting] = (await only(fixture.etcd.kv.range({ prefix: 'sem/gone/' }, { sortTarget: 'CREATE', sortOrder: 'ASCEND' }))).kvs;
    await only(fixture.etcd.kv.delete(waiting?.key ?? ''));
    await only(fixture.etcd.kv.delete(key));
    await expect(b.had).rejects.toMatchObject({ reason: 'LockLost' });
    expect(await a.lost).toMatchObject({ reason: 'LockLost' });
  });

  test('accepts a lease of the caller, and a timeout; when the client is closed it completes, or fails if it was not acquired', async () => {
    const { id } = await only(fixture.etcd.lease.grant(60));
    const etcd = fixture.client();
    const a = hold(etcd.semaphore('sem/lease', 1, { lease: id }));
    expect((await a.had).lease).toBe(id);
    await failureWith('DeadlineExceeded', fixture.etcd.semaphore('sem/lease', 1, { timeoutMs: 100 }));
    await inQueue('sem/lease/', 1);
    const waiting = hold(etcd.semaphore('sem/lease', 1));
    await inQueue('sem/lease/', 2);
    await etcd.close();
    expect(a.completed).toBe(true);
    expect(await waiting.lost).toMatchObject({ reason: 'ClientClosed' });
    await inQueue('sem/lease/', 0);
    expect((await only(fixture.etcd.lease.timeToLive(id))).ttl).toBeGreaterThan(0);
  });

  test('rejects an invalid name or number of permits', async () => {
    await failureWith('InvalidArgument', fixture.etcd.semaphore('', 1));
    await failureWith('InvalidArgument', fixture.etcd.semaphore('sem/bad', 0));
  });
});

describe('a read/write lock', () => {
  const read = (name: string) => hold(fixture.etcd.readLock(name, { ttl: 10 }));
  const write = (name: string) => hold(fixture.etcd.writeLock(name, { ttl: 10 }));

  test('has many readers or one writer, in the order of their queue entries', async () => {
    const readers = [read('rw/order'), read('rw/order')];
    const [first] = await Promise.all(readers.map(({ had }) => had));
    expect(first).toMatchObject({ name: 'rw/order', alive: true });
    expect(first?.key).toMatch(/^rw\/order\/read\/[0-9a-f]+$/);
    const writer = write('rw/order');
    await inQueue('rw/order/', 3);
    const late = read('rw/order');
    await inQueue('rw/order/', 4);
    readers[0]?.leave();
    await inQueue('rw/order/', 3);
    expect([writer.has, late.has]).toEqual([false, false]);
    readers[1]?.leave();
    expect((await writer.had).key).toMatch(/^rw\/order\/write\/[0-9a-f]+$/);
    expect(late.has).toBe(false);
    writer.leave();
    await late.had;
  });

  test('respects keys as the Go recipes create them, and waits for them', async () => {
    const { kv } = fixture.etcd;
    await only(kv.put('rw/go/write/1700000000000000000', ''));
    const reader = read('rw/go');
    await inQueue('rw/go/', 2);
    expect(reader.has).toBe(false);
    await only(kv.delete('rw/go/write/1700000000000000000'));
    await reader.had;
    reader.leave();
    await inQueue('rw/go/', 0);
    await only(kv.put('rw/go/read/1700000000000000000', ''));
    const writer = write('rw/go');
    await inQueue('rw/go/', 2);
    expect(writer.has).toBe(false);
  });

  test('excludes all others while a writer owns it, with many clients', async () => {
    const client = clients();
    let readers = 0;
    let writers = 0;
    let most = 0;
    let wrong = 0;
    const visit = async (index: number): Promise<void> => {
      const writes = index % 3 === 0;
      const lock = hold(writes ? client(index).writeLock('rw/crowd', { ttl: 10 }) : client(index).readLock('rw/crowd', { ttl: 10 }));
      const mine = await lock.had;
      if (writes) writers += 1;
      else readers += 1;
      most = Math.max(most, readers);
      for (let look = 0; look < 3; look++) await only(fixture.etcd.kv.get('rw/crowd'));
      if (writers > 1 || (writers > 0 && readers > 0)) wrong += 1;
      expect(await works(mine)).toBe(true);
      if (writes) writers -= 1;
      else readers -= 1;
      lock.leave();
    };
    await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        for (let round = 0; round < 3; round++) await visit(index + round);
      }),
    );
    expect(wrong).toBe(0);
    expect(most).toBeGreaterThan(1);
    await inQueue('rw/crowd/', 0);
  });

  test('is released when the process of its writer dies', async () => {
    const writer = hold(fixture.client().writeLock('rw/dies', { ttl: 10 }));
    const { lease } = await writer.had;
    const reader = read('rw/dies');
    await inQueue('rw/dies/', 2);
    await only(fixture.etcd.lease.revoke(lease));
    await reader.had;
    expect(await writer.lost).toMatchObject({ reason: 'LockLost' });
  });

  test('fails a waiter after a timeout', async () => {
    await write('rw/timeout').had;
    await failureWith('DeadlineExceeded', fixture.etcd.readLock('rw/timeout', { timeoutMs: 100 }));
    await failureWith('DeadlineExceeded', fixture.etcd.writeLock('rw/timeout', { timeoutMs: 100 }));
    await inQueue('rw/timeout/', 1);
    await failureWith('InvalidArgument', fixture.etcd.readLock(''));
  });
});
