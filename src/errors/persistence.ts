import type { EtcdError } from './etcdError.js';
import type { Reason } from './reasons.js';

/**
 * Tells whether a failure passes. It decides about repeating an operation as a whole. About a further attempt of one
 * call, which also depends on what was sent, the table of `transport/retryPolicy.ts` decides.
 * - `temporary`: passes by itself, and nothing was carried out
 * - `interrupted`: passes by itself; only operations that may run twice are repeated
 * - `unclear`: may pass, and is believed permanent after several in a row
 * - `permanent`: the request was understood and refused
 */
export type Persistence = 'temporary' | 'interrupted' | 'unclear' | 'permanent';

interface Row {
  readonly persistence: Persistence;
  readonly why: string;
}

const NEW_TOKEN: Row = { persistence: 'unclear', why: 'another call may fetch a new token' };

/** Reasons whose code does not decide. */
const BY_REASON: Partial<Record<Reason, Row>> = {
  TooManyRequests: { persistence: 'temporary', why: 'refused by a server that is behind, which is less busy later' },
  TooManyPending: { persistence: 'temporary', why: 'refused before it was sent, as too many calls of the client waited' },
  DeadlineExceeded: { persistence: 'interrupted', why: 'the server was too slow this time' },
  WatchCanceled: { persistence: 'interrupted', why: 'the server ended the watch without a reason, as it does when it stops' },
  Canceled: { persistence: 'interrupted', why: 'a proxy or the gateway canceled the call' },
  InvalidAuthToken: NEW_TOKEN,
  AuthOldRevision: NEW_TOKEN,
  UserEmpty: { persistence: 'unclear', why: 'auth was enabled meanwhile, and another call may fetch a token' },
  TokenUnavailable: { persistence: 'unclear', why: 'the token function may find a token later' },
  CarrierUnusable: { persistence: 'unclear', why: 'another stream transport may work' },
  UnknownMethod: { persistence: 'unclear', why: 'the server may have been replaced by another version, with another path' },
  MalformedResponse: { persistence: 'unclear', why: 'a proxy may have responded in place of the server' },
};

/** Returns whether a failure passes. */
export function persistenceOf({ reason, code }: EtcdError): Persistence {
  // No connection, no leader, or a server that stops or starts. An ambiguous write has the code of its cause.
  if (code === 'Unavailable') return reason === 'AmbiguousWrite' ? 'interrupted' : 'temporary';
  // A server that stops cancels its calls, or breaks them off, with messages of gRPC.
  if (reason === 'Unknown' && (code === 'Canceled' || code === 'Internal')) return 'interrupted';
  return BY_REASON[reason]?.persistence ?? 'permanent';
}
