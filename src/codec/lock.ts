import { HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './rpc.js';
import { bytes, leaseIdCodec } from './scalars.js';

export const LockRequest = message('LockRequest', {
  name: field(bytes, { required: true }),
  /** The lease of the lock. By default the server grants one of 60 seconds, which is not refreshed. */
  lease: leaseIdCodec,
});

export const LockResponse = message('LockResponse', {
  header: ResponseHeader,
  /** The key of the ownership, to unlock with; it exists for as long as the lock is held. */
  key: bytes,
});

export const UnlockRequest = message('UnlockRequest', { key: field(bytes, { required: true }) });

export const lockRpcs = {
  /** Responds when the lock is acquired; until then the call waits at the server. */
  lock: rpc({ name: 'Lock.Lock', path: '/lock/lock', request: LockRequest, response: LockResponse, safety: 'write', unbounded: true }),
  unlock: rpc({ name: 'Lock.Unlock', path: '/lock/unlock', request: UnlockRequest, response: HeaderOnly, safety: 'write' }),
} as const;
