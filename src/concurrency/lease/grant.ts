import { catchError, defer, map, throwError, type Observable } from 'rxjs';
import { hasReason } from '../../errors/index.js';
import type { Leases } from '../../services/lease.js';
import { leaseId, type LeaseId } from '../../model/ids.js';
import { moment } from '../clock.js';
import type { Hold } from '../refresher.js';

/** A lease that was granted, and how long it holds. */
export interface Granted {
  readonly id: LeaseId;
  readonly hold: Hold;
}

/** How a lease is granted. */
export interface GrantOptions {
  /** The id wished for; by default a random one. */
  readonly id?: LeaseId | undefined;
  /** How long a lease that is there already may take to be refreshed. */
  readonly answerTimeoutMs: number;
}

/** So many times a grant of which nobody knows the outcome is repeated: each takes as long as a call may. */
const TRIES = 3;

/**
 * Grants a lease under an id of our choice: then a grant that was not answered can be repeated without a second lease, for "already exists" says that
 * the first one was carried out.
 */
export function grantLease(leases: Leases, ttl: number, { id: wanted, answerTimeoutMs }: GrantOptions): Observable<Granted> {
  return defer(() => {
    const id = wanted ?? randomLeaseId();
    let tries = 0;
    const attempt = (): Observable<Granted> => {
      const sentAt = moment();
      tries += 1;
      return leases.grant(ttl, { id }).pipe(
        map((granted): Granted => ({ id: granted.id, hold: { ttl: granted.ttl, sentAt } })),
        catchError((error: unknown) => {
          if (hasReason(error, 'AmbiguousWrite') && tries < TRIES) return attempt();
          // Only on a repeat is it ours; on the first try it is somebody else's.
          if (hasReason(error, 'LeaseExist') && tries > 1) return refreshed(leases, id, answerTimeoutMs);
          return throwError(() => error);
        }),
      );
    };
    return attempt();
  });
}

/** A lease that exists, with its time from now. */
export function refreshed(leases: Leases, id: LeaseId, timeoutMs: number): Observable<Granted> {
  return defer(() => {
    const sentAt = moment();
    return leases.keepAliveOnce(id, { timeoutMs }).pipe(map(({ ttl }): Granted => ({ id, hold: { ttl, sentAt } })));
  });
}

/** 63 bits of chance: etcd's own ids are as good as that. */
export function randomLeaseId(): LeaseId {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return leaseId((BigInt(high & 0x7fffffff) << 32n) | BigInt(low || 1));
}
