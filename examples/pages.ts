/**
 * Reads a range of any size by pages. Each page is requested when the one before was taken: `npx tsx
 * examples/pages.ts`.
 */
import { concat, concatMap, lastValueFrom, mergeMap, range, reduce, take, tap } from 'rxjs';
import { createClient } from 'rxetcd';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const etcd = createClient({ endpoints });
const items = { prefix: 'examples/items/' };

const fill = range(100, 250).pipe(mergeMap((n) => etcd.kv.put(`${items.prefix}${n}`, `item ${n}`), 32));
await lastValueFrom(concat(etcd.kv.delete(items), fill));

const pages = etcd.kv.pages(items, { pageSize: 100 }).pipe(tap(({ kvs }) => console.log(`page of ${kvs.length}, from ${kvs[0]?.key} on`)));
const total = pages.pipe(reduce((sum, { kvs }) => sum + kvs.length, 0));
console.log('read', await lastValueFrom(total), 'of', await lastValueFrom(etcd.kv.count(items)));

// A subscriber that has enough stops: the second page is never requested.
const firstTwo = pages.pipe(
  concatMap(({ kvs }) => kvs),
  take(2),
  tap(({ key, value }) => console.log(key, '=', value)),
);
await lastValueFrom(firstTwo);

await etcd.close();
