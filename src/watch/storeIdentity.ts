import { map, of, type Observable } from 'rxjs';
import { watchRpcs } from '../codec/watch.js';
import { EtcdError } from '../errors/index.js';
import type { ClusterId } from '../model/ids.js';

/** Whose store it is, and how far it is known to have been; 0 where that is not known. */
export interface StoreSighting {
  readonly clusterId: ClusterId;
  readonly revision: number;
}

/** What stands where nobody has said it: a proxy or a test may leave the header out. */
export const UNKNOWN_CLUSTER = '0' as ClusterId;

/**
 * Emits when the store that a watch comes back to is the one that it has seen. One that was wiped, or restored from an old backup, counts its revisions anew: a watch that
 * resumed there would wait in silence until they are as high again, and take what comes then for what follows. It errors with `ClusterIDMismatch`, or `FutureRev` where
 * what was seen is yet to come.
 *
 * @param before what the watch has seen
 * @param now who answers its create
 * @param newest asks the cluster, not just a member, for the store's revision
 */
export function sameStore(before: StoreSighting, now: StoreSighting, newest: Observable<number>): Observable<unknown> {
  if (before.clusterId !== now.clusterId && ![before.clusterId, now.clusterId].includes(UNKNOWN_CLUSTER))
    throw lost('ClusterIDMismatch', `this is cluster ${now.clusterId}, and the watch began in ${before.clusterId}`);
  if (now.revision === 0 || now.revision >= before.revision) return of(undefined);
  // A member may lag behind; the cluster cannot.
  return newest.pipe(
    map((latest) => {
      if (latest < before.revision)
        throw lost('FutureRev', `the store is at revision ${latest}, and the watch has seen ${before.revision}: it was wiped, or restored`);
    }),
  );
}

const lost = (reason: 'ClusterIDMismatch' | 'FutureRev', message: string): EtcdError =>
  new EtcdError(reason, message, { rpc: watchRpcs.watch.name });
