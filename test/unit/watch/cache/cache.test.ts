import { afterEach, describe, expect, test } from '@jest/globals';
import { CompactedError, del, hasReason, put, type Cache, type CacheOptions, type Client, type Range } from 'rxetcd';
import { createTestEtcd, type TestServer } from 'rxetcd/testing';
import { firstValueFrom, type Observable } from 'rxjs';
import { waitFor } from '../../../support/waitFor.js';
import { watching, type Seen } from '../support.js';

let server: TestServer;
let etcd: Client;

function start(latencyMs = 0, requestTimeoutMs = 5_000): Client {
  ({ server, etcd } = createTestEtcd({
    latencyMs,
    client: { requestTimeoutMs, streams: { initialBackoffMs: 1, maxBackoffMs: 5, lingerMs: 1 } },
  }));
  return etcd;
}
afterEach(() => server.close());

const LOCAL = { consistency: 'local' } as const;

/** A cache that is listed, and held until the server is closed. */
async function held(range: Range = { prefix: 'a/' }, options: CacheOptions = {}): Promise<Cache & { readonly seen: Seen<Cache> }> {
  const seen = watching(etcd.cache(range, options));
  await waitFor('the list', () => seen.values.length > 0);
  const [cache] = seen.values;
  if (cache === undefined) throw new Error('there is no cache');
  return Object.create(cache, { seen: { value: seen } }) as Cache & { readonly seen: Seen<Cache> };
}

const now = <T>(source: Observable<T>): Promise<T> => firstValueFrom(source);
const reads = (): number => server.calls.filter(({ rpc }) => rpc === 'KV.Range').length;
const many = (count: number): void => {
  for (let index = 0; index < count; index++) server.put(`a/${String(index).padStart(4, '0')}`, '1');
};
/** Resolves with the reason of the error that ends an Observable. */
const reasonOf = async (source: Observable<unknown>): Promise<unknown> => {
  const seen = watching(source);
  await waitFor('the error', () => seen.errors.length > 0);
  const [error] = seen.errors;
  return error instanceof Error && 'reason' in error ? error.reason : error;
};

describe('reads of a cache', () => {
  test('return keys and ranges as of one revision, in the order of the keys', async () => {
    start();
    for (const key of ['a/2', 'a/10', 'a/ä', 'a/1', 'b']) server.put(key, key);
    const cache = await held();
    expect((await now(cache.get('a/10')))?.value).toBe('a/10');
    expect(await now(cache.get('a/none'))).toBeUndefined();
    const all = await now(cache.range());
    expect(all).toMatchObject({ revision: 6, more: false, count: 4 });
    expect(all.kvs.map(({ key }) => key)).toEqual(['a/1', 'a/10', 'a/2', 'a/ä']);
    const some = await now(cache.range({ from: 'a/1', to: 'a/2' }, { limit: 1, keysOnly: true }));
    expect(some).toMatchObject({ more: true, count: 2 });
    expect(some.kvs.map(({ key, value }) => [key, value])).toEqual([['a/1', '']]);
    expect((await now(cache.range({ prefix: 'a/1' }))).count).toBe(2);
    expect(cache).toMatchObject({ size: 4, revision: 6 });
  });

  test('show each revision whole, and follow puts and deletes', async () => {
    start();
    const cache = await held();
    server.txn({ success: [put('a/2', '1'), put('a/1', '1'), put('b', '1')] });
    expect((await now(cache.range())).kvs.map(({ key }) => key)).toEqual(['a/1', 'a/2']);
    server.txn({ success: [del({ from: 'a/1', to: 'a/3' }), put('a/3', '1')] });
    expect((await now(cache.range())).kvs.map(({ key }) => key)).toEqual(['a/3']);
    server.put('a/3', '2');
    expect((await now(cache.get('a/3')))?.value).toBe('2');
  });

  test('are found for keys that are not UTF-8', async () => {
    start();
    const [one, other] = [Uint8Array.of(0x61, 0x2f, 0xff), Uint8Array.of(0x61, 0x2f, 0xfe)];
    server.put(one, 'one');
    server.put(other, 'other');
    const cache = await held();
    expect((await now(cache.get(one)))?.value).toBe('one');
    expect((await now(cache.range())).kvs.map(({ value }) => value)).toEqual(['other', 'one']);
  });

  test('that are linearizable share one request, and local ones need none', async () => {
    start(10);
    many(300);
    const cache = await held();
    const before = reads();
    await Promise.all(Array.from({ length: 64 }, () => now(cache.get('a/0001', LOCAL))));
    expect(reads() - before).toBe(0);
    await Promise.all(Array.from({ length: 64 }, () => now(cache.get('a/0001'))));
    // The first read sends a request at once; the others wait for the next one, which begins after them.
    expect(reads() - before).toBe(2);
  });

  test('that are linearizable see writes that were confirmed before, and local ones may not', async () => {
    start(10);
    many(1);
    const cache = await held();
    server.stall('responses');
    server.put('a/0000', '2');
    const stale = await now(cache.get('a/0000', LOCAL));
    const fresh = now(cache.get('a/0000'));
    server.resume();
    expect([stale?.value, (await fresh)?.value]).toEqual(['1', '2']);
  });

  test.each([3, 300])('complete although only other keys were changed, with %i keys', async (count) => {
    start(1);
    many(count);
    const cache = await held();
    server.put('b', '1');
    server.put('b', '2');
    expect((await now(cache.range())).count).toBe(count);
    const before = reads();
    expect((await now(cache.get('a/0001')))?.value).toBe('1');
    expect(reads() - before).toBe(count < 100 ? 1 : 2);
  });

  test.each([3, 300])('wait for a delete that no present key shows, with %i keys', async (count) => {
    start(5);
    many(count);
    const cache = await held();
    server.put('b', '1');
    server.delete('a/0001');
    server.put('b', '2');
    expect(await now(cache.get('a/0001'))).toBeUndefined();
  });

  test('detect a deleted and a created key, although the number of keys is the same', async () => {
    start(5);
    many(3);
    const cache = await held();
    server.delete('a/0001');
    server.put('a/new', '1');
    server.put('b', '1');
    const { kvs } = await now(cache.range());
    expect(kvs.map(({ key }) => key)).toEqual(['a/0000', 'a/0002', 'a/new']);
  });

  test('wait while the range is listed again; local ones show the last state meanwhile', async () => {
    start(1);
    many(2);
    const cache = await held();
    server.disconnect();
    server.put('a/0000', '2');
    server.delete('a/0001');
    server.compact();
    expect((await now(cache.range(undefined, LOCAL))).count).toBe(2);
    const fresh = now(cache.range());
    server.connect();
    expect((await fresh).kvs.map(({ value }) => value)).toEqual(['2']);
    expect(cache.seen.values).toHaveLength(1);
  });

  test('fail when the store cannot be reached in time', async () => {
    start(0, 200);
    const cache = await held();
    server.disconnect();
    expect(await reasonOf(cache.get('a/1'))).toMatch(/Unreachable|DeadlineExceeded|ConnectionLost/);
  });

  test('are rejected for keys outside of the cached range, and for unknown options', async () => {
    start();
    const cache = await held();
    expect(await reasonOf(cache.get('b'))).toBe('InvalidArgument');
    expect(await reasonOf(cache.range({ prefix: 'b' }))).toBe('InvalidArgument');
    expect(await reasonOf(cache.range({ all: true }, LOCAL))).toBe('InvalidArgument');
    expect(await reasonOf(cache.get('a/1', { consistency: 'strong' as 'local' }))).toBe('InvalidArgument');
    expect(await reasonOf(cache.watch({ prefix: 'b' }))).toBe('InvalidArgument');
    expect(await reasonOf(etcd.cache({ prefix: 'a/' }, { historyEvents: -1 }))).toBe('InvalidArgument');
  });

  test('copy their arguments, which the caller may change later', async () => {
    start();
    server.put('a/1', '1');
    const cache = await held();
    const key = Uint8Array.from(Buffer.from('a/1'));
    const read = cache.get(key);
    key.fill(0);
    expect((await now(read))?.value).toBe('1');
  });

  test('end when the cache is unsubscribed, or the client is closed', async () => {
    start();
    const left = await held();
    await waitFor('the watch', () => server.watches.length === 1);
    left.seen.leave();
    await waitFor('the end of the watch', () => server.watches.length === 0);
    expect(await reasonOf(left.get('a/1'))).toBe('Canceled');
    expect(await reasonOf(left.get('a/1', LOCAL))).toBe('Canceled');
    const cache = await held();
    const watch = watching(cache.watch());
    await etcd.close();
    expect(watch).toMatchObject({ completed: true, errors: [] });
    expect(await reasonOf(cache.get('a/1'))).toBe('ClientClosed');
    expect(cache.seen.completed).toBe(true);
  });

  test('cancel their request when no read waits for it any more', async () => {
    start(50);
    const cache = await held();
    const left = watching(cache.get('a/1'));
    left.leave();
    expect(await now(cache.get('a/1'))).toBeUndefined();
  });
});

describe('a cache', () => {
  test('is shared by subscribers of the same range, and emitted to a late one synchronously', async () => {
    start();
    await held();
    const late = watching(etcd.cache({ prefix: 'a/' }));
    expect(late.values).toHaveLength(1);
    await waitFor('the watch', () => server.watches.length === 1);
    await held({ prefix: 'a/' }, { historyEvents: 5 });
    await waitFor('the other watch', () => server.watches.length === 2);
  });

  test('is within the prefix of a namespace', async () => {
    start();
    server.put('x/a', '1');
    server.put('y', '1');
    const seen = watching(etcd.namespace('x/').cache({ all: true }));
    await waitFor('the list', () => seen.values.length > 0);
    const cache = seen.values[0];
    if (cache === undefined) throw new Error('there is no cache');
    expect((await now(cache.range())).kvs.map(({ key }) => key)).toEqual(['a']);
    server.put('x/b', '2');
    server.put('y', '2');
    expect((await now(cache.get('b')))?.value).toBe('2');
  });

  test('is held by promises, with reads as promises and watches as iterables', async () => {
    start();
    server.put('a/1', '1');
    const cache = await etcd.promises.cache({ prefix: 'a/' });
    expect((await cache.value.get('a/1'))?.value).toBe('1');
    expect((await cache.value.range()).count).toBe(1);
    expect(cache.value.revision).toBe(2);
    server.put('a/1', '2');
    for await (const { kv } of cache.value.watch(undefined, { startRevision: 3 })) {
      expect(kv.value).toBe('2');
      break;
    }
    await cache.release();
  });
});

describe('watches of a cache', () => {
  const lines = ({ values }: Seen<{ type: string; kv: { key: string }; revision: number; prevKv?: { value: string } }>): string[] =>
    values.map(({ type, kv, revision, prevKv }) => `${revision} ${type} ${kv.key} ${prevKv?.value ?? '-'}`);

  test('start at any buffered revision, or with the next change, without a watch on the server', async () => {
    start();
    const cache = await held();
    server.put('a/1', '1');
    server.txn({ success: [put('a/1', '2'), put('a/2', '1')] });
    server.delete('a/1');
    await now(cache.get('a/1'));
    const all = watching(cache.watch(undefined, { startRevision: 2 }));
    const some = watching(cache.watch('a/1', { startRevision: 3 }));
    const next = watching(cache.watch());
    const later = watching(cache.watch('a/3', { startRevision: 7 }));
    server.put('a/3', '1');
    server.put('a/3', '2');
    server.put('a/3', '3');
    await now(cache.get('a/3'));
    const [third, fourth, fifth] = ['5 put a/3 -', '6 put a/3 1', '7 put a/3 2'];
    expect(lines(all)).toEqual(['2 put a/1 -', '3 put a/1 1', '3 put a/2 -', '4 delete a/1 2', third, fourth, fifth]);
    expect(lines(some)).toEqual(['3 put a/1 1', '4 delete a/1 2']);
    expect(lines(next)).toEqual([third, fourth, fifth]);
    expect(lines(later)).toEqual([fifth]);
    expect(server.watches).toHaveLength(1);
  });

  test('skip and repeat no event when a subscriber resubscribes meanwhile', async () => {
    start();
    const cache = await held();
    const inner: number[] = [];
    const again = (): void => void cache.watch(undefined, { startRevision: 2 }).subscribe((event) => inner.push(event.revision));
    cache.watch().subscribe(() => {
      if (inner.length === 0) again();
    });
    for (let index = 0; index < 5; index++) server.put('a/1', String(index));
    await now(cache.get('a/1'));
    expect(inner).toEqual([2, 3, 4, 5, 6]);
  });

  test('are rejected for discarded revisions, with the oldest buffered one in the error', async () => {
    start();
    const cache = await held({ prefix: 'a/' }, { historyEvents: 3 });
    for (let index = 0; index < 500; index++) server.put('a/1', String(index));
    await now(cache.get('a/1'));
    expect(cache.oldestRevision).toBe(499);
    const refused = watching(cache.watch(undefined, { startRevision: 498 }));
    expect(refused.errors).toEqual([expect.any(CompactedError)]);
    expect(refused.errors).toMatchObject([{ compactRevision: 499 }]);
    expect(lines(watching(cache.watch(undefined, { startRevision: 499 })))).toHaveLength(3);
  });

  test('error when the history is lost, and can be subscribed to again afterwards', async () => {
    start();
    many(1);
    const cache = await held();
    const lost = watching(cache.watch());
    server.disconnect();
    server.put('a/1', '1');
    server.put('a/1', '2');
    server.compact();
    server.connect();
    await waitFor('the error', () => lost.errors.length > 0);
    expect(hasReason(lost.errors[0], 'Compacted')).toBe(true);
    const { revision } = await now(cache.range());
    const again = watching(cache.watch(undefined, { startRevision: revision + 1 }));
    server.put('a/1', '3');
    await now(cache.get('a/1'));
    expect(lines(again)).toEqual([`${revision + 1} put a/1 2`]);
  });
});
