/** Decides by the reason of an error: `npx tsx examples/errors.ts`. */
import { catchError, lastValueFrom, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { createClient, hasReason, isEtcdError, leaseId, type KeyValue } from 'rxetcd';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const etcd = createClient({ endpoints });

/** The key at a revision, or its current state if that revision was compacted. */
const asOf = (key: string, revision: number): Observable<KeyValue | undefined> =>
  etcd.kv.get(key, { revision }).pipe(
    catchError((error: unknown) => {
      if (!hasReason(error, 'Compacted')) return throwError(() => error);
      console.log('compacted, so the newest instead');
      return etcd.kv.get(key);
    }),
  );

const old = await lastValueFrom(etcd.kv.put('examples/price', '10'));
const recent = await lastValueFrom(etcd.kv.put('examples/price', '12'));
console.log('then', (await lastValueFrom(asOf('examples/price', old.header.revision)))?.value);
await lastValueFrom(etcd.kv.compact(recent.header.revision));
console.log('then', (await lastValueFrom(asOf('examples/price', old.header.revision)))?.value);

/** Describes an error. The description never contains a value, a password or a token. */
const describe = (call: Observable<unknown>): Observable<string> =>
  call.pipe(
    map(() => 'fine'),
    catchError((error: unknown) => of(isEtcdError(error) ? `${error.reason} (${error.code}) of ${error.rpc}` : String(error))),
  );

console.log(await lastValueFrom(describe(etcd.kv.put('examples/price', '13', { lease: leaseId(1) }))));
console.log(await lastValueFrom(describe(etcd.kv.get('examples/price', { revision: recent.header.revision + 1_000 }))));
console.log(await lastValueFrom(describe(etcd.lease.grant(60).pipe(switchMap(({ id }) => etcd.lease.grant(60, { id }))))));

await etcd.close();
