import { map, take, type Observable } from 'rxjs';
import { leaseRpcs } from '../codec/lease.js';
import type { AnswerOf } from '../codec/rpc.js';
import { EtcdError } from '../errors/index.js';
import { BOOLEAN, LEASE } from '../model/validate.js';
import type { LeaseId } from '../model/ids.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/** The answer to a grant: `ttl` is in seconds, as granted, which may be more than was asked for. */
export type LeaseGrantResponse = AnswerOf<typeof leaseRpcs.grant>;
/** The answer to a revoke. */
export type LeaseRevokeResponse = AnswerOf<typeof leaseRpcs.revoke>;
/** The answer to a keepalive: `ttl` is in seconds from now. */
export type LeaseKeepAliveResponse = AnswerOf<typeof leaseRpcs.keepAlive>;
/** The answer to a question after a lease: `ttl` is what remains in seconds, -1 where the lease is gone; `keys` hang on it. */
export type LeaseTimeToLiveResponse = AnswerOf<typeof leaseRpcs.timeToLive>;
/** The answer to a question after all leases. */
export type LeaseLeasesResponse = AnswerOf<typeof leaseRpcs.leases>;

/** etcd's Lease service. Every method gives a cold Observable: one subscription, one call, one value. */
export interface Leases {
  /**
   * Grants a lease of so many seconds (`Lease.LeaseGrant`), at most once. It ends by itself unless it is refreshed, and takes its keys along.
   *
   * @param ttl in whole seconds; the server raises what is below its minimum. `LeaseTTLTooLarge` above 9 000 000 000
   * @param options.id the id to give it; `LeaseExist` where it is taken. By default the server chooses
   */
  grant(ttl: number, options?: { readonly id?: LeaseId } & CallOptions): Observable<LeaseGrantResponse>;

  /** Ends a lease and deletes its keys (`Lease.LeaseRevoke`), at most once. `LeaseNotFound` where there is none. */
  revoke(id: LeaseId, options?: CallOptions): Observable<LeaseRevokeResponse>;

  /** What remains of a lease (`Lease.LeaseTimeToLive`), with `keys` what hangs on it. A lease that is gone is no error: its `ttl` is -1. */
  timeToLive(id: LeaseId, options?: { readonly keys?: boolean } & CallOptions): Observable<LeaseTimeToLiveResponse>;

  /** All leases of the cluster (`Lease.LeaseLeases`, etcd 3.3 and newer). */
  leases(options?: CallOptions): Observable<LeaseLeasesResponse>;

  /** Refreshes a lease once (`Lease.LeaseKeepAlive`). `LeaseNotFound` where it is gone, which the RPC itself says only by leaving out the TTL. */
  keepAliveOnce(id: LeaseId, options?: CallOptions): Observable<LeaseKeepAliveResponse>;
}

/** The Lease service over a caller. */
export function leaseService(caller: Caller): Leases {
  return {
    grant: (ttl, options = {}) =>
      withOptions('lease.grant', options, { ...CALL, id: LEASE }, (request, call) =>
        caller.unary(leaseRpcs.grant, { ttl, ...request }, call),
      ),
    revoke: (id, options) => caller.unary(leaseRpcs.revoke, { id }, options),
    timeToLive: (id, options = {}) =>
      withOptions('lease.timeToLive', options, { ...CALL, keys: BOOLEAN }, (request, call) =>
        caller.unary(leaseRpcs.timeToLive, { id, ...request }, call),
      ),
    leases: (options) => caller.unary(leaseRpcs.leases, {}, options),
    keepAliveOnce: (id, options) =>
      caller.stream(leaseRpcs.keepAlive, { id }, options).pipe(
        take(1),
        map((answer) => {
          if (answer.ttl <= 0)
            throw new EtcdError('LeaseNotFound', 'etcdserver: requested lease not found', { rpc: leaseRpcs.keepAlive.name });
          return answer;
        }),
      ),
  };
}
