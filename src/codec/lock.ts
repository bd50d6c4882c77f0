import { HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './rpc.js';
import { bytes, leaseIdCodec } from './scalars.js';

export const LockRequest = message('LockRequest', {
  name: field(bytes, { required: true }),
  /** The lease that the lock is held by; left out, the server grants one of 60 seconds that nobody refreshes. */
  lease: leaseIdCodec,
});

export const LockResponse = message('LockResponse', {
  header: ResponseHeader,
  /** The key that stands for the ownership, to unlock by; it is there for as long as the lock is held. */
  key: bytes,
});

export const UnlockRequest = message('UnlockRequest', { key: field(bytes, { required: true }) });

export const lockRpcs = {
  /** Answers when the lock is owned; until then the call waits on the server. */
  lock: rpc({ name: 'Lock.Lock', path: '/lock/lock', request: LockRequest, response: LockResponse, safety: 'write', unbounded: true }),
  unlock: rpc({ name: 'Lock.Unlock', path: '/lock/unlock', request: UnlockRequest, response: HeaderOnly, safety: 'write' }),
} as const;
