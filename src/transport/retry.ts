import type { Safety } from '../codec/rpc.js';
import type { EtcdError, GrpcCode, Reason } from '../errors/index.js';

/**
 * What becomes of a call that failed:
 * - `fail`: the error is the answer
 * - `again`: on the next endpoint
 * - `elsewhere`: on the next endpoint, but nowhere a second time
 * - `behind`: on the next endpoint; this one is well, but too far behind for what was asked
 * - `reauthenticate`: with a new token
 * - `rediscover`: after asking the server what it is
 * - `ambiguous`: nobody knows whether it was carried out; the caller must be told
 */
export type Verdict = 'fail' | 'again' | 'elsewhere' | 'behind' | 'reauthenticate' | 'rediscover' | 'ambiguous';

interface Row {
  readonly read: Verdict;
  readonly write: Verdict;
  readonly why: string;
}

const NEVER_SENT: Row = { read: 'again', write: 'again', why: 'nothing left this machine' };
const REFUSED: Row = { read: 'reauthenticate', write: 'reauthenticate', why: 'the server looks at the token before it does anything' };
const NO_TLS: Row = {
  read: 'elsewhere',
  write: 'elsewhere',
  why: 'nothing was read of it, and another try would be told the same; another endpoint may do',
};
const UNANSWERED: Row = { read: 'again', write: 'ambiguous', why: 'it may have been carried out, or may yet be' };

const NOT_PROPOSED: Row = { read: 'fail', write: 'fail', why: 'the cluster refuses before it does anything' };

/** What is not here fails: the server understood the call and said no. */
const TABLE: Partial<Record<Reason, Row>> = {
  Unreachable: NEVER_SENT,
  TlsFailed: NO_TLS,
  StaleRead: { read: 'behind', write: 'fail', why: 'another member may be further, and this one a moment later' },
  InvalidAuthToken: REFUSED,
  AuthOldRevision: REFUSED,
  // What a server says to a call without a token, from a client that has credentials: auth was enabled meanwhile.
  UserEmpty: REFUSED,
  UnsupportedServerVersion: {
    read: 'rediscover',
    write: 'rediscover',
    why: 'the cluster may have been upgraded since we asked; nothing was sent',
  },
  UnknownMethod: {
    read: 'rediscover',
    write: 'rediscover',
    why: 'the cluster may have been replaced by another version; the path did nothing',
  },
  ConnectionLost: UNANSWERED,
  NoLeader: UNANSWERED,
  LeaderChanged: UNANSWERED,
  Stopped: UNANSWERED,
  Timeout: UNANSWERED,
  TimeoutDueToLeaderFail: UNANSWERED,
  TimeoutDueToConnectionLost: UNANSWERED,
  TimeoutWaitAppliedIndex: UNANSWERED,
  Unhealthy: NOT_PROPOSED,
  DeadlineExceeded: { read: 'fail', write: 'ambiguous', why: 'the time that it was given is over' },
  Canceled: { read: 'fail', write: 'ambiguous', why: 'somebody between us and the server gave up' },
  Corrupt: NOT_PROPOSED,
  MalformedResponse: { read: 'fail', write: 'ambiguous', why: 'it was answered, but not in words that we know' },
  ResponseTooLarge: { read: 'fail', write: 'ambiguous', why: 'it was answered, at a length that another try would not change' },
  Aborted: { read: 'fail', write: 'ambiguous', why: 'the caller gave up after it was sent' },
  ClientClosed: { read: 'fail', write: 'ambiguous', why: 'the client was closed after it was sent' },
};

const DOUBTFUL: Row = { read: 'fail', write: 'ambiguous', why: 'it broke off somewhere on its way, perhaps after the write' };

/** For what a server says in words that are in no table. Other codes are a refusal, whatever its reason. */
const BY_CODE: Partial<Record<GrpcCode, Row>> = {
  Unavailable: UNANSWERED,
  // A stopping server cancels what it has under way, in gRPC's own words.
  Canceled: UNANSWERED,
  DeadlineExceeded: DOUBTFUL,
  Aborted: DOUBTFUL,
  Internal: DOUBTFUL,
  DataLoss: DOUBTFUL,
};

/**
 * Looks up what becomes of a call.
 *
 * @param sent whether any of it had left: a write that never left is as harmless as a read
 */
export function verdict(error: EtcdError, safety: Safety, sent: boolean): Verdict {
  const row = TABLE[error.reason] ?? BY_CODE[error.code];
  if (row === undefined) return 'fail';
  return sent ? row[safety] : row.read;
}
