import { catchError, defer, map, throwError, type Observable } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import type { LeaseRpcs, LeaseService } from '../../services/lease.js';
import { leaseId, leaseName, type LeaseId } from '../../model/ids.js';
import { now } from '../../util/time.js';
import type { KeepAliveResult } from './keepAliveStream.js';

/** A lease that was granted, and how long it is valid. */
export interface GrantedLease extends KeepAliveResult {
  readonly id: LeaseId;
}

/** The options of `grantLease`. */
export interface GrantOptions {
  /** The id to request; a random one by default. */
  readonly id?: LeaseId | undefined;
  /** The random id of a lease without an `id`, if the caller needs it before the grant. */
  readonly randomId?: LeaseId;
  /** The timeout of the refresh of a lease that exists already. */
  readonly responseTimeoutMs: number;
}

/** The attempts of a grant while its outcome is unknown. Each may take as long as a call. */
const TRIES = 3;

/**
 * Grants a lease under an id that the client chooses, so that a grant without a response can be retried without
 * creating a second lease. If the retry fails as the lease exists, a random id proves that the first attempt was
 * carried out. An id that the caller chose proves nothing: the lease may be another client's.
 */
export function grantLease(
  leases: LeaseRpcs,
  ttl: number,
  { id: wanted, randomId, responseTimeoutMs }: GrantOptions,
): Observable<GrantedLease> {
  return defer(() => {
    const id = wanted ?? randomId ?? randomLeaseId();
    let tries = 0;
    let doubt: EtcdError | undefined;
    const attempt = (): Observable<GrantedLease> => {
      // The request may have to wait for a connection first, behind thousands of others.
      let sentAt = now();
      tries += 1;
      return leases
        .grant(ttl, { id }, () => (sentAt = now()))
        .pipe(
          map((granted): GrantedLease => ({ id: granted.id, ttl: granted.ttl, sentAt })),
          catchError((error: unknown) => {
            if (hasReason(error, 'AmbiguousWrite')) {
              doubt = error;
              if (tries < TRIES) return attempt();
            }
            if (!hasReason(error, 'LeaseExist') || doubt === undefined)
              // `ClientClosed` says nothing about the outcome of an earlier attempt.
              return throwError(() => (hasReason(error, 'ClientClosed') ? (doubt ?? error) : error));
            if (wanted === undefined) return refreshLease(leases, id, responseTimeoutMs);
            const problem = 'was granted to another client, or by an earlier try whose answer was lost; adopt it if only you use this id';
            return throwError(() => new EtcdError('LeaseExist', `${leaseName(id)} exists: it ${problem}`, { cause: doubt }));
          }),
        );
    };
    return attempt();
  });
}

/** Refreshes a lease that exists. It is valid for its TTL from then on. */
export function refreshLease(leases: LeaseService, id: LeaseId, timeoutMs: number): Observable<GrantedLease> {
  return defer(() => {
    const sentAt = now();
    return leases.keepAliveOnce(id, { timeoutMs }).pipe(map(({ ttl }): GrantedLease => ({ id, ttl, sentAt })));
  });
}

/** Returns an id of 63 random bits, as many as etcd's own ids have. */
export function randomLeaseId(): LeaseId {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return leaseId((BigInt(high & 0x7fffffff) << 32n) | BigInt(low || 1));
}
