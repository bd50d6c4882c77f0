import type { Observable } from 'rxjs';
import { lockRpcs, electionRpcs } from '../codec/concurrency.js';
import type { BytesLike } from '../model/bytes.js';
import { LEASE } from '../model/validate.js';
import type { LeaseId } from '../model/ids.js';
import type { HeaderResponse, LockResponse, CampaignResponse, LeaderKey, LeaderResponse } from '../model/responses.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/**
 * etcd's Lock service. A call of `lock` waits at the server until the lock is acquired. The service does not report
 * when the lease of a lock ends. For a lock that reports its loss, see `etcd.lock`.
 */
export interface LockService {
  /**
   * Acquires a lock (`Lock.Lock`). The call waits without a limit unless `timeoutMs` is set. Unsubscribing while the
   * call waits removes the waiter from the queue.
   *
   * @param options.lease the lease of the lock; its end releases the lock. Errors with `LeaseNotFound` if the lease
   * does not exist. By default the server grants a lease of 60 s, which is not refreshed
   */
  lock(name: BytesLike, options?: { readonly lease?: LeaseId } & CallOptions): Observable<LockResponse>;
  /** Releases a lock by its key (`Lock.Unlock`). */
  unlock(key: BytesLike, options?: CallOptions): Observable<HeaderResponse>;
}

/** Creates the Lock service over a caller. */
export function lockService(caller: Caller): LockService {
  return {
    lock: (name, options = {}) =>
      withOptions('lockService.lock', options, { ...CALL, lease: LEASE }, (request, call) =>
        caller.unary(lockRpcs.lock, { name, ...request }, call),
      ),
    unlock: (key, options) => caller.unary(lockRpcs.unlock, { key }, options),
  };
}

/**
 * etcd's Election service. A call of `campaign` waits at the server until the election is won. For a leadership that
 * reports its loss, see `etcd.election`.
 */
export interface ElectionService {
  /**
   * Waits to be elected (`Election.Campaign`), without a limit unless `timeoutMs` is set. Unsubscribing while the call
   * waits ends the candidacy.
   *
   * @param options.lease the lease of the leadership. Errors with `LeaseNotFound` if the lease does not exist. By
   * default the server grants a lease of 60 s, which is not refreshed
   */
  campaign(name: BytesLike, value: BytesLike, options?: { readonly lease?: LeaseId } & CallOptions): Observable<CampaignResponse>;
  /**
   * Replaces the value that the leader proclaims (`Election.Proclaim`). Errors with `ElectionNotLeader` if the
   * leadership has ended.
   */
  proclaim(leader: LeaderKey, value: BytesLike, options?: CallOptions): Observable<HeaderResponse>;
  /** Reads the current leader (`Election.Leader`). Errors with `ElectionNoLeader` if there is no leader. */
  leader(name: BytesLike, options?: CallOptions): Observable<LeaderResponse>;
  /**
   * Emits the current leader, and then each later leader or proclaimed value (`Election.Observe`), until the server
   * ends the stream.
   */
  observe(name: BytesLike, options?: CallOptions): Observable<LeaderResponse>;
  /** Resigns the leadership (`Election.Resign`). */
  resign(leader: LeaderKey, options?: CallOptions): Observable<HeaderResponse>;
}

/** Creates the Election service over a caller. */
export function electionService(caller: Caller): ElectionService {
  return {
    campaign: (name, value, options = {}) =>
      withOptions('electionService.campaign', options, { ...CALL, lease: LEASE }, (request, call) =>
        caller.unary(electionRpcs.campaign, { name, value, ...request }, call),
      ),
    proclaim: (leader, value, options) => caller.unary(electionRpcs.proclaim, { leader, value }, options),
    leader: (name, options) => caller.unary(electionRpcs.leader, { name }, options),
    observe: (name, options) => caller.stream(electionRpcs.observe, { name }, options),
    resign: (leader, options) => caller.unary(electionRpcs.resign, { leader }, options),
  };
}
