/**
 * Jobs that run one at a time all over the cluster, and write behind the guard of their lock:
 * `npx tsx examples/lock.ts`.
 */
import { concat, lastValueFrom, map, merge, of, tap, timer, type Observable } from 'rxjs';
import { createClient, put, txn, type Client, type LockHandle } from 'rxetcd';
import { commitTxn, guardedBy, withLock } from 'rxetcd/operators';

const endpoints = process.env['ETCD_ENDPOINTS']?.split(',') ?? 'http://127.0.0.1:2379';
const [first, second] = [createClient({ endpoints }), createClient({ endpoints })];

/**
 * Works, and records that it did. The write has no effect if this process was paused meanwhile and has lost the lock to
 * another.
 */
const work = (etcd: Client, name: string, ownership: LockHandle): Observable<string> => {
  const note = timer(100).pipe(
    map(() => txn({ success: [put('examples/last-job', name)] })),
    guardedBy(ownership),
    commitTxn(etcd.kv),
  );
  return concat(of(`${name} begins`), note.pipe(map(() => `${name} is done`)));
};

/** If this process crashes, the lock is released with its lease, within 10 s. */
const locked = (etcd: Client, name: string): Observable<string> =>
  of(name).pipe(withLock(etcd.lock('examples/job', { ttl: 10 }), (job, ownership) => work(etcd, job, ownership)));

await lastValueFrom(merge(locked(first, 'ann'), locked(second, 'bob')).pipe(tap((line) => console.log(line))));

await Promise.all([first.close(), second.close()]);
