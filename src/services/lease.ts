import { map, take, type Observable } from 'rxjs';
import { leaseRpcs } from '../codec/lease.js';
import { EtcdError } from '../errors/index.js';
import { BOOLEAN, LEASE, type OptionKinds } from '../model/validate.js';
import type { LeaseId } from '../model/ids.js';
import type {
  LeaseGrantResponse,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeResponse,
  LeaseTimeToLiveResponse,
} from '../model/responses.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/** etcd's Lease service. Every method returns a cold Observable: one subscription, one call, one value. */
export interface LeaseService {
  /**
   * Grants a lease (`Lease.LeaseGrant`), at most once. If the lease is not refreshed, it expires, and the server
   * deletes its keys.
   *
   * @param ttl in whole seconds; errors with `LeaseTTLTooLarge` above 9 000 000 000. The server raises a TTL below its
   * minimum
   * @param options.id the id of the lease. Errors with `LeaseExist` if the id is taken. By default the server chooses
   * an id
   */
  grant(ttl: number, options?: { readonly id?: LeaseId } & CallOptions): Observable<LeaseGrantResponse>;

  /**
   * Revokes a lease and deletes its keys (`Lease.LeaseRevoke`), at most once. Errors with `LeaseNotFound` if the lease
   * does not exist.
   */
  revoke(id: LeaseId, options?: CallOptions): Observable<LeaseRevokeResponse>;

  /**
   * Reads the remaining time of a lease (`Lease.LeaseTimeToLive`), and with `keys` the keys attached to it. A lease
   * that does not exist is not an error: its `ttl` is -1.
   */
  timeToLive(id: LeaseId, options?: { readonly keys?: boolean } & CallOptions): Observable<LeaseTimeToLiveResponse>;

  /** Lists all leases of the cluster (`Lease.LeaseLeases`, etcd 3.3 and newer). */
  leases(options?: CallOptions): Observable<LeaseLeasesResponse>;

  /**
   * Refreshes a lease once (`Lease.LeaseKeepAlive`). Errors with `LeaseNotFound` if the lease does not exist. In this
   * case, the response of the RPC itself has no error; only the TTL is missing.
   */
  keepAliveOnce(id: LeaseId, options?: CallOptions): Observable<LeaseKeepAliveResponse>;
}

/** The Lease service, with an additional parameter for leases that are refreshed automatically. */
export interface LeaseRpcs extends LeaseService {
  /** @param onSent called when the request is sent. The server starts to count the TTL later */
  grant(ttl: number, options?: { readonly id?: LeaseId } & CallOptions, onSent?: () => void): Observable<LeaseGrantResponse>;
}

const GRANT: OptionKinds<{ readonly id?: LeaseId } & CallOptions> = { ...CALL, id: LEASE };

/** Creates the Lease service over a caller. */
export function leaseService(caller: Caller): LeaseRpcs {
  return {
    grant: (ttl, options = {}, onSent) =>
      withOptions('lease.grant', options, GRANT, (request, call) => caller.unary(leaseRpcs.grant, { ttl, ...request }, call, onSent)),
    revoke: (id, options) => caller.unary(leaseRpcs.revoke, { id }, options),
    timeToLive: (id, options = {}) =>
      withOptions('lease.timeToLive', options, { ...CALL, keys: BOOLEAN }, (request, call) =>
        caller.unary(leaseRpcs.timeToLive, { id, ...request }, call),
      ),
    leases: (options) => caller.unary(leaseRpcs.leases, {}, options),
    keepAliveOnce: (id, options) =>
      caller.stream(leaseRpcs.keepAlive, { id }, options).pipe(
        take(1),
        map((response) => {
          if (response.ttl <= 0)
            throw new EtcdError('LeaseNotFound', 'etcdserver: requested lease not found', { rpc: leaseRpcs.keepAlive.name });
          return response;
        }),
      ),
  };
}
