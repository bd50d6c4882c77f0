/**
 * A lock for the time in which some programs still use npm's `etcd3`. It holds the lock of rxetcd and the key of a lock
 * of `etcd3`, under one lease. So it excludes both, and they exclude it.
 */
import { get, key, put, type Client, type LeaseId, type LockHandle } from 'rxetcd';
import { concat, map, of, switchMap, type Observable } from 'rxjs';

export function bridgedLock(etcd: Client, name: string, ttl: number): Observable<LockHandle> {
  // Acquires the lock of etcd3, which is the key of that name. Emits the revision at which it is owned.
  const etcd3Key = (lease: LeaseId): Observable<number> =>
    etcd.kv.txn({ compare: [key(name).missing()], success: [put(name, '', { lease })], failure: [get(name)] }).pipe(
      switchMap(({ header: { revision }, ...result }) => {
        if (result.succeeded || result.responses[0]?.lease === lease) return of(revision);
        const released = etcd.watchOnce(name, { startRevision: revision + 1, noPut: true });
        return released.pipe(switchMap(() => etcd3Key(lease)));
      }),
    );
  const lost = (revision: number): Observable<never> =>
    etcd.watchOnce(name, { startRevision: revision + 1, noPut: true }).pipe(
      map(() => {
        throw new Error(`the key ${name} was deleted`);
      }),
    );
  return etcd
    .session({ ttl })
    .pipe(
      switchMap((session) =>
        etcd
          .lock(name, { session })
          .pipe(switchMap((ownership) => etcd3Key(session.lease).pipe(switchMap((revision) => concat(of(ownership), lost(revision)))))),
      ),
    );
}
