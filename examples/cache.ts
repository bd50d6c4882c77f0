/**
 * Keeps a range in memory, and reads it as the store is, without a request for each read: `npx tsx examples/cache.ts`.
 */
import { concat, defer, forkJoin, ignoreElements, lastValueFrom, map, of, switchMap, take, tap, type Observable } from 'rxjs';
import { createClient, type Cache } from 'rxetcd';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const [reader, writer] = [createClient({ endpoints }), createClient({ endpoints })];

const HOMES = ['examples/routes/home', 'examples/routes/shop'];

/** Reads after a write by another client. Both reads share one request. */
const afterWrite = (routes: Cache, address: string): Observable<string> =>
  concat(
    writer.kv.put('examples/routes/home', address).pipe(ignoreElements()),
    defer(() => forkJoin(HOMES.map((key) => routes.get(key)))).pipe(map((found) => found.map((kv) => kv?.value ?? 'none').join(', '))),
  );

/** The routes in memory, in the order of their keys, without a request. */
const all = (routes: Cache): Observable<string> =>
  routes
    .range(undefined, { consistency: 'local' })
    .pipe(map(({ kvs }) => `${kvs.length} in memory: ${kvs.map(({ key }) => key).join(' ')}`));

await lastValueFrom(writer.kv.delete({ prefix: 'examples/routes/' }));
await lastValueFrom(writer.kv.put('examples/routes/shop', '10.0.0.9'));
const lines = reader.cache({ prefix: 'examples/routes/' }).pipe(
  switchMap((routes) => concat(of(`${routes.size} route`), afterWrite(routes, '10.0.0.7'), afterWrite(routes, '10.0.0.8'), all(routes))),
  take(4),
  tap((line) => console.log(line)),
);
await lastValueFrom(lines);

await Promise.all([reader.close(), writer.close()]);
