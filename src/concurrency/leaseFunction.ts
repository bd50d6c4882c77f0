import type { Observable } from 'rxjs';
import type { Leases } from '../services/lease.js';
import type { LeaseId } from '../model/ids.js';
import type { LeaseEvent, LeaseMeans } from './lease/heldLease.js';
import { adoptedLease, heldLease, type LeaseOptions } from './lease/lease.js';

/** Leases that refresh themselves, and with them etcd's Lease service. */
export interface LeaseFunction extends Leases {
  /**
   * A lease, held as long as it is subscribed to: granted, then refreshed every third of its TTL, all leases of a client on one stream. It errors with `LeaseLost` when its
   * time is over by our own clock, whatever the connection says, or as soon as the server says that it is gone. Unsubscribing revokes it.
   *
   * ```ts
   * etcd.lease({ ttl: 10 }).pipe(withLease(({ id }) => etcd.kv.put('services/me', address, { lease: id }))).subscribe();
   * ```
   */
  (options: LeaseOptions): Observable<LeaseEvent>;
  /** A lease that was granted elsewhere, refreshed as long as it is subscribed to. By default it is not revoked then. `LeaseNotFound` where it is gone. */
  adopt(id: LeaseId, options?: Pick<LeaseOptions, 'release'>): Observable<LeaseEvent>;
}

export function leaseFunction(means: LeaseMeans): LeaseFunction {
  return Object.assign((options: LeaseOptions) => heldLease(options, means), means.service, {
    adopt: (id: LeaseId, options: Pick<LeaseOptions, 'release'> = {}) => adoptedLease(id, options, means),
  });
}
