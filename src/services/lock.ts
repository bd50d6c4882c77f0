import type { Observable } from 'rxjs';
import type { Done } from './auth.js';
import { lockRpcs } from '../codec/lock.js';
import type { AnswerOf } from '../codec/rpc.js';
import type { BytesLike } from '../model/bytes.js';
import { LEASE } from '../model/validate.js';
import type { LeaseId } from '../model/ids.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/** An owned lock; `key` is what to unlock by, and is there for as long as the lock is held. */
export type LockResponse = AnswerOf<typeof lockRpcs.lock>;

/**
 * etcd's Lock service: the server does the waiting. It tells nobody when the lease behind a lock has ended; for a lock that
 * does, see `etcd.lock`.
 */
export interface LockService {
  /**
   * Waits for a lock and owns it (`Lock.Lock`), for as long as it takes unless `timeoutMs` says otherwise. Unsubscribing while it waits leaves the queue.
   *
   * @param options.lease what the lock is held by; it is free again when this ends. Left out, the server grants one of 60 s that nobody refreshes. `LeaseNotFound`
   */
  lock(name: BytesLike, options?: { readonly lease?: LeaseId } & CallOptions): Observable<LockResponse>;
  /** Frees a lock by its key (`Lock.Unlock`). */
  unlock(key: BytesLike, options?: CallOptions): Observable<Done>;
}

/** The Lock service over a caller. */
export function lockService(caller: Caller): LockService {
  return {
    lock: (name, options = {}) =>
      withOptions('lockService.lock', options, { ...CALL, lease: LEASE }, (request, call) =>
        caller.unary(lockRpcs.lock, { name, ...request }, call),
      ),
    unlock: (key, options) => caller.unary(lockRpcs.unlock, { key }, options),
  };
}
