import { map, of, type Observable } from 'rxjs';
import { watchRpcs } from '../codec/watch.js';
import { EtcdError } from '../errors/index.js';
import type { ClusterId } from '../model/ids.js';

/** Who answered a create, and how far its store was then. */
export interface StoreSighting {
  readonly clusterId: ClusterId;
  readonly revision: number;
}

/** What stands where a proxy or a test leaves the header out. */
const UNKNOWN = '0';

/**
 * Whether the store that a watch comes back to is the one that it has seen. One that was wiped, or restored from an old backup, counts its revisions anew: a watch that
 * resumed there would wait in silence until they are as high again, and take what comes then for what follows.
 */
export class StoreIdentity {
  private cluster: ClusterId | undefined;

  /** The highest revision that the store is known to have had. */
  private seen = 0;

  saw(revision: number): void {
    this.seen = Math.max(this.seen, revision);
  }

  /**
   * Emits when it is the same. It errors with `ClusterIDMismatch`, or `FutureRev` where what was seen is yet to come.
   *
   * @param newest asks the cluster, not just a member, for the store's revision
   */
  check({ clusterId, revision }: StoreSighting, newest: Observable<number>): Observable<unknown> {
    if (clusterId !== UNKNOWN) this.cluster ??= clusterId;
    if (this.cluster !== undefined && clusterId !== UNKNOWN && clusterId !== this.cluster)
      throw lost('ClusterIDMismatch', `this is cluster ${clusterId}, and the watch began in ${this.cluster}`);
    if (revision === 0 || revision >= this.seen) return of(undefined);
    // A member may lag behind; the cluster cannot.
    return newest.pipe(
      map((latest) => {
        if (latest < this.seen)
          throw lost('FutureRev', `the store is at revision ${latest}, and the watch has seen ${this.seen}: it was wiped, or restored`);
      }),
    );
  }
}

const lost = (reason: 'ClusterIDMismatch' | 'FutureRev', message: string): EtcdError =>
  new EtcdError(reason, message, { rpc: watchRpcs.watch.name });
