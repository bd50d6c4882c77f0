/** Work that only one of many may do, by etcd's own lock service: `npx tsx examples/lock.ts`. */
import { concat, ignoreElements, lastValueFrom, merge, of, switchMap, tap, timer, type Observable } from 'rxjs';
import { createClient } from 'rxetcd';
import { startEtcd } from '../test/support/etcd/index.js';

const server = await startEtcd(); // that of ETCD_ENDPOINTS, or one of its own
const etcd = createClient({ endpoints: server.endpoint });

/** Waits for the lock, works, and frees it. Should this process die meanwhile, the lock goes with its lease, within 10 s. */
const locked = (name: string, work: Observable<string>): Observable<string> =>
  etcd.lease
    .grant(10)
    .pipe(
      switchMap((lease) =>
        etcd.lockService
          .lock(name, { lease: lease.id })
          .pipe(
            switchMap(({ key }) =>
              concat(work, etcd.lockService.unlock(key).pipe(ignoreElements()), etcd.lease.revoke(lease.id).pipe(ignoreElements())),
            ),
          ),
      ),
    );

const job = (who: string): Observable<string> => concat(of(`${who} begins`), timer(100).pipe(ignoreElements()), of(`${who} is done`));

await lastValueFrom(merge(locked('examples/job', job('ann')), locked('examples/job', job('bob'))).pipe(tap((line) => console.log(line))));

await etcd.close();
await server.stop();
