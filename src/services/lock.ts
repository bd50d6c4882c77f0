import type { Observable } from 'rxjs';
import { lockRpcs } from '../codec/lock.js';
import type { BytesLike } from '../model/bytes.js';
import { LEASE } from '../model/validate.js';
import type { LeaseId } from '../model/ids.js';
import type { HeaderResponse, LockResponse } from '../model/responses.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/**
 * etcd's Lock service, in which the server does the waiting. It does not report when the lease of a lock has ended; for
 * a lock that does, see `etcd.lock`.
 */
export interface LockService {
  /**
   * Acquires a lock (`Lock.Lock`). It waits without a limit unless `timeoutMs` is set. Unsubscribing while it waits
   * leaves the queue.
   *
   * @param options.lease the lease of the lock, whose end releases it; `LeaseNotFound` if it does not exist. By default
   * the server grants one of 60 s, which is not refreshed
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
