import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Client, type RangeResponse } from 'rxetcd';
import { concatMap, from, map, mergeMap, Subject, take, tap } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { all, failureWith, only } from './support/outcomes.js';
import { startProxy, UNHEDGED, type CountingProxy } from './support/proxy.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });
let proxy: CountingProxy;
let proxied: Client;

const names = Array.from({ length: 25 }, (_, index) => `pages/${String(index).padStart(2, '0')}`);
const prefix = { prefix: 'pages/' };
const keysOf = (pages: readonly RangeResponse[]): string[] => pages.flatMap(({ kvs }) => kvs.map(({ key }) => key));

beforeAll(async () => {
  proxy = await startProxy(fixture.server.endpoint);
  proxied = fixture.client({ endpoints: proxy.endpoint, ...UNHEDGED });
  await all(from(names).pipe(mergeMap((name) => fixture.etcd.kv.put(name, 'old'))));
});
afterAll(() => proxy.stop());

const asked = (): number => proxy.calls.filter(({ path }) => path.endsWith('/kv/range')).length;

describe('kv.pages', () => {
  test('emits every key once, in the order of the keys, in pages of the requested size', async () => {
    const pages = await all(fixture.etcd.kv.pages(prefix, { pageSize: 10 }));
    expect(keysOf(pages)).toEqual(names);
    expect(pages.map(({ kvs, more }) => [kvs.length, more])).toEqual([
      [10, true],
      [10, true],
      [5, false],
    ]);
  });

  test('emits one page if all keys fit, an empty one for no keys, and one for a single key', async () => {
    const { kv } = fixture.etcd;
    expect(keysOf(await all(kv.pages(prefix)))).toEqual(names);
    expect(await all(kv.pages({ prefix: 'nothing/' }))).toMatchObject([{ kvs: [], count: 0 }]);
    expect(keysOf(await all(kv.pages('pages/03', { pageSize: 1 })))).toEqual(['pages/03']);
    expect(keysOf(await all(kv.pages({ from: 'pages/20' }, { pageSize: 2 })))).toEqual(names.slice(20));
  });

  test.each<[string, object]>([
    ['limit', { limit: 5 }],
    ['sortOrder', { sortOrder: 'DESCEND' }],
    ['sortTarget', { sortTarget: 'MOD' }],
    ['countOnly', { countOnly: true }],
    ...[0, -1, 1.5, NaN, Infinity, null, '10'].map((pageSize): [string, object] => ['pageSize', { pageSize }]),
  ])('rejects %s, as in %j, and sends nothing', async (name, options) => {
    const before = asked();
    expect((await failureWith('InvalidArgument', proxied.kv.pages(prefix, options))).message).toContain(name);
    expect(asked()).toBe(before);
  });

  test('accepts its own options', async () => {
    const { kv } = fixture.etcd;
    const { header, kvs } = await only(kv.range(prefix));
    const minModRevision = kvs[20]?.modRevision ?? NaN;
    const options = {
      revision: header.revision,
      serializable: true,
      keysOnly: true,
      minModRevision,
    };
    const pages = await all(kv.pages(prefix, options));
    expect(keysOf(pages)).toEqual(kvs.filter(({ modRevision }) => modRevision >= minModRevision).map(({ key }) => key));
    expect(pages[0]?.kvs[0]?.value).toBe('');
  });

  test('skips no key that is another key followed by a zero byte', async () => {
    const { kv } = fixture.etcd;
    const keys = ['zero/a', 'zero/a\0', 'zero/a\0\0', 'zero/a\u0001'];
    for (const key of keys) await only(kv.put(key, ''));
    expect(keysOf(await all(kv.pages({ prefix: 'zero/' }, { pageSize: 1 })))).toEqual(keys);
  });

  test('shows one revision, whatever is written meanwhile', async () => {
    const { kv } = fixture.etcd;
    const before = (await only(kv.get('pages/00')))?.modRevision;
    const change = (page: number) => [
      kv.put('pages/24', `changed before page ${page}`),
      kv.put(`pages/00-${page}`, 'behind us'),
      kv.put(`pages/23-${page}`, 'ahead of us'),
      kv.delete(page === 0 ? 'pages/22' : 'pages/21'),
    ];
    const pages = await all(
      kv.pages(prefix, {
        pageSize: 10,
        consume: (page) => from(change(page.kvs[0]?.key === 'pages/00' ? 0 : 1)).pipe(concatMap((write) => write)),
      }),
    );
    expect(keysOf(pages)).toEqual(names);
    expect(pages.flatMap(({ kvs }) => kvs.map(({ value }) => value))).toEqual(names.map(() => 'old'));
    expect(await only(kv.count(prefix))).toBe(names.length + 2);

    for (const extra of ['pages/00-', 'pages/23-']) await only(kv.delete({ prefix: extra }));
    for (const name of ['pages/21', 'pages/22', 'pages/24']) await only(kv.put(name, 'old'));
    expect((await only(kv.get('pages/00')))?.modRevision).toBe(before);
  });

  test('requests the next page only when the last one was consumed, and completes after the last', async () => {
    const before = asked();
    const consumed = new Subject<void>();
    const seen: RangeResponse[] = [];
    let ended = false;
    const watched = tap<RangeResponse>({ next: (page) => void seen.push(page), complete: () => (ended = true) });
    const reading = all(proxied.kv.pages(prefix, { pageSize: 10, consume: () => consumed.pipe(take(1)) }).pipe(watched));
    await waitForValue(
      () => seen.length,
      (count) => count === 1,
    );
    // Makes a separate call, whose response arrives after a page that was requested before, so that the page is counted.
    await only(proxied.kv.put('elsewhere', ''));
    expect(asked() - before).toBe(1);
    consumed.next();
    await waitForValue(
      () => seen.length,
      (count) => count === 2,
    );
    await only(proxied.kv.put('elsewhere', ''));
    expect(asked() - before).toBe(2);
    consumed.next();
    await waitForValue(
      () => seen.length,
      (count) => count === 3,
    );
    expect(ended).toBe(false);
    consumed.next();
    expect(keysOf(await reading)).toEqual(names);
    expect(asked() - before).toBe(3);
  });

  test('requests no more pages after unsubscribing', async () => {
    const before = asked();
    expect(keysOf(await all(proxied.kv.pages(prefix, { pageSize: 10 }).pipe(take(1))))).toEqual(names.slice(0, 10));
    await only(proxied.kv.put('elsewhere', ''));
    expect(asked() - before).toBe(1);
  });

  test('reads again for each subscription', async () => {
    const { kv } = fixture.etcd;
    const pages = kv.pages({ prefix: 'twice/' }, { pageSize: 1 });
    await only(kv.put('twice/a', ''));
    expect(keysOf(await all(pages))).toEqual(['twice/a']);
    await only(kv.put('twice/b', ''));
    expect(keysOf(await all(pages))).toEqual(['twice/a', 'twice/b']);
  });

  test('accepts an earlier revision, keysOnly, bounds on revisions, and serializable reads', async () => {
    const { kv } = fixture.etcd;
    const { header } = await only(kv.put('past/a', 'x'));
    for (const name of ['past/b', 'past/c']) await only(kv.put(name, 'x'));
    const past = { prefix: 'past/' };
    expect(keysOf(await all(kv.pages(past, { revision: header.revision + 1, pageSize: 1 })))).toEqual(['past/a', 'past/b']);
    expect(keysOf(await all(kv.pages(past, { serializable: true, pageSize: 2 })))).toEqual(['past/a', 'past/b', 'past/c']);
    const valuesOf = kv.pages(past, { keysOnly: true }).pipe(map(({ kvs }) => kvs.map(({ value }) => value)));
    expect(await only(valuesOf)).toEqual(['', '', '']);
    expect(keysOf(await all(kv.pages(past, { minModRevision: header.revision + 1, pageSize: 10 })))).toEqual(['past/b', 'past/c']);
    expect(keysOf(await all(kv.pages(past, { maxCreateRevision: header.revision + 1, pageSize: 10 })))).toEqual(['past/a', 'past/b']);
  });

  test('halves the page if the server cannot send so much at once', async () => {
    // 3.3 rejects a response over 4 MiB; later servers send it whole.
    const { kv } = fixture.etcd;
    const big = Array.from({ length: 6 }, (_, index) => `big/${index}`);
    for (const name of big) await only(kv.put(name, new Uint8Array(1_000_000)));
    const pages = await all(kv.pages({ prefix: 'big/' }));
    expect(keysOf(pages)).toEqual(big);
    expect(pages.map(({ kvs }) => kvs.length)).toEqual(fixture.has('3.4') ? [6] : [4, 2]);
  });

  test('fails with Compacted when its revision is compacted while it reads', async () => {
    const { kv } = fixture.etcd;
    const seen: RangeResponse[] = [];
    const compactAll = kv.put('pages/00', 'old').pipe(mergeMap(({ header }) => kv.compact(header.revision, { physical: true })));
    const error = await failureWith(
      'Compacted',
      kv.pages(prefix, { pageSize: 10, consume: () => compactAll }).pipe(tap((page) => seen.push(page))),
    );
    expect(keysOf(seen)).toEqual(names.slice(0, 10));
    expect(error).toMatchObject({ name: 'CompactedError', rpc: 'KV.Range', code: 'OutOfRange' });
    expect(error.message).toContain(`revision ${seen[0]?.header.revision}`);
  });
});
