import type { Safety } from '../codec/descriptors.js';
import { type EtcdError, type GrpcCode, InvalidOptionError, type Reason } from '../errors/index.js';

/** A failed attempt, as the function of the option `retry` receives it. */
export interface RetryContext {
  /** The RPC, as etcd names it: `KV.Put`. */
  readonly rpc: string;
  /** Whether the call changes anything. */
  readonly safety: Safety;
  /** Whether the client has begun to send the attempt. If so, a write may have been carried out. */
  readonly sent: boolean;
  readonly error: EtcdError;
  /** The number of attempts so far, including this one. */
  readonly attempts: number;
  /** The action of rxetcd's own table. */
  readonly action: RetryAction;
}

/**
 * A decision about a failed attempt:
 * - `default`: the action of rxetcd's own table
 * - `fail`: the call fails with the error. A write that was sent, and whose outcome is unknown, fails with
 *   `AmbiguousWrite`
 * - `retry`: another attempt on the next endpoint, as often as the function returns this and the deadline allows. For a
 *   write that was sent it means `default`
 * - `resend`: `retry`, also for a write that was sent, **which may then be carried out twice**. Use it only for writes
 *   that may be carried out twice
 */
export type RetryDecision = 'default' | 'fail' | 'retry' | 'resend';

/** Decides about a failed attempt. */
export type RetryPolicy = (failure: RetryContext) => RetryDecision;

/** The limits for the attempts of a call, and for the pauses between attempts. An omitted limit has its default. */
export interface CallRetryOptions {
  /** Decides about each failed attempt. The default is rxetcd's own table. */
  readonly policy?: RetryPolicy;
  /**
   * The maximum number of attempts of a call, the first one included. The default is the number of endpoints plus one,
   * and at least four. While a cluster elects a leader, the default is as many attempts as fit into five seconds.
   * Attempts with a new token do not count, and neither do attempts without a response within `attemptTimeoutMs`.
   */
  readonly maxAttempts?: number;
  /**
   * The longest first pause before an endpoint is used again, in milliseconds: 100 by default. The pause doubles with
   * each failure.
   */
  readonly initialBackoffMs?: number;
  /** The longest pause, in milliseconds: 500 by default. */
  readonly maxBackoffMs?: number;
  /**
   * The maximum share, from 0 to 1, by which a pause is shortened at random. Random pauses prevent many clients from
   * retrying at the same time.
   */
  readonly jitter?: number;
}

/** The parts of {@link CallRetryOptions} that are numbers. */
export type RetryLimits = Omit<CallRetryOptions, 'policy'>;

const DECISIONS: ReadonlySet<unknown> = new Set<RetryDecision>(['default', 'fail', 'retry', 'resend']);

/** Allows one attempt for each call. */
export const NO_RETRIES: RetryPolicy = () => 'fail';

/**
 * Returns the decision of a policy: an action of the table, or `retryByPolicy` for another attempt.
 * @throws InvalidOptionError if the policy throws, or returns anything but a decision
 */
export function decideRetry(policy: RetryPolicy | undefined, failure: RetryContext): RetryAction | 'retryByPolicy' {
  if (policy === undefined) return failure.action;
  const decision = policyDecision(policy, failure);
  if (decision === 'fail') return failure.action === 'ambiguous' ? 'ambiguous' : 'fail';
  // A mistake in a policy must not break the at-most-once guarantee.
  const mayRepeat = decision === 'resend' || (decision === 'retry' && !(failure.sent && failure.safety === 'write'));
  return mayRepeat ? 'retryByPolicy' : failure.action;
}

function policyDecision(policy: RetryPolicy, failure: RetryContext): RetryDecision {
  const { rpc, error } = failure;
  const where = { rpc, endpoint: error.endpoint };
  let decision: unknown;
  try {
    decision = policy(failure);
  } catch (cause) {
    throw new InvalidOptionError('retry', 'the function threw an error', { ...where, cause });
  }
  if (isDecision(decision)) return decision;
  throw new InvalidOptionError('retry', `expected a function that returns one of ${[...DECISIONS].join(', ')}`, where);
}

const isDecision = (decision: unknown): decision is RetryDecision => DECISIONS.has(decision);

/**
 * The action after a failed attempt:
 * - `fail`: the call fails with the error
 * - `retry`: another attempt on the next endpoint
 * - `retryOtherEndpoint`: another attempt on the next endpoint, with at most one attempt on each endpoint
 * - `retryNewerMember`: another attempt on the next endpoint; this endpoint works, but its data are too old for the
 *   request
 * - `reauthenticate`: another attempt with a new token
 * - `reprobeVersion`: another attempt after requesting the version of the server
 * - `ambiguous`: the call fails with `AmbiguousWrite`, as the server may have carried out the write
 */
export type RetryAction = 'fail' | 'retry' | 'retryOtherEndpoint' | 'retryNewerMember' | 'reauthenticate' | 'reprobeVersion' | 'ambiguous';

interface Row {
  readonly read: RetryAction;
  readonly write: RetryAction;
  /** The decision if only a version request was sent. The default is the decision for a read. */
  readonly unsent?: RetryAction;
}

// Nothing was sent, so a retry is safe.
const NOT_SENT: Row = { read: 'retry', write: 'retry' };
// The server checks the token before it does anything.
const TOKEN_REFUSED: Row = { read: 'reauthenticate', write: 'reauthenticate' };
const NO_TLS: Row = {
  // The server read nothing, and would refuse the next attempt as well; another endpoint may accept it.
  read: 'retryOtherEndpoint',
  write: 'retryOtherEndpoint',
};
// The server may have carried out the write, or may still do so.
const NO_RESPONSE: Row = { read: 'retry', write: 'ambiguous' };

const PROXY_REFUSED: Row = {
  // A proxy responded in place of etcd, so etcd did nothing. etcd may recover soon, or another endpoint may work.
  read: 'retry',
  write: 'retryOtherEndpoint',
};

// The cluster refuses the request before it does anything.
const CLUSTER_REFUSED: Row = { read: 'fail', write: 'fail' };

/** A reason that is missing here means that the server rejected the call, unless `BY_CODE` lists its code. */
const TABLE: Partial<Record<Reason, Row>> = {
  Unreachable: NOT_SENT,
  TlsFailed: NO_TLS,
  // Another member may have newer data, or this member may have them a moment later.
  StaleRead: { read: 'retryNewerMember', write: 'fail' },
  InvalidAuthToken: TOKEN_REFUSED,
  AuthOldRevision: TOKEN_REFUSED,
  // The response to a call without a token, from a client that has credentials: auth was enabled in the meantime.
  UserEmpty: TOKEN_REFUSED,
  UnsupportedServerVersion: {
    // Nothing was sent, and the server may have been upgraded since its version was read.
    read: 'reprobeVersion',
    write: 'reprobeVersion',
  },
  UnknownMethod: {
    // The server did nothing, and may have been replaced by another version since its version was read.
    read: 'reprobeVersion',
    write: 'reprobeVersion',
  },
  ProxyRefused: PROXY_REFUSED,
  ConnectionLost: NO_RESPONSE,
  NoLeader: NO_RESPONSE,
  LeaderChanged: NO_RESPONSE,
  // Raft refuses a proposal as a whole, before it appends or forwards any of it.
  ProposalDropped: { read: 'retry', write: 'retry' },
  Stopped: NO_RESPONSE,
  Timeout: NO_RESPONSE,
  TimeoutDueToLeaderFail: NO_RESPONSE,
  TimeoutDueToConnectionLost: NO_RESPONSE,
  TimeoutWaitAppliedIndex: NO_RESPONSE,
  Unhealthy: CLUSTER_REFUSED,
  // The deadline has passed.
  DeadlineExceeded: { read: 'fail', write: 'ambiguous' },
  // A proxy or the gateway canceled the call.
  Canceled: { read: 'fail', write: 'ambiguous' },
  Corrupt: CLUSTER_REFUSED,
  // The server responded, and the next response would be as long.
  ResponseTooLarge: { read: 'fail', write: 'ambiguous' },
  // The caller aborted the call after it was sent.
  Aborted: { read: 'fail', write: 'ambiguous' },
  // The client was closed after the call was sent.
  ClientClosed: { read: 'fail', write: 'ambiguous' },
};

// The call was interrupted, perhaps after the write.
const INTERRUPTED: Row = { read: 'fail', write: 'ambiguous' };

/**
 * Also applies to `MalformedResponse`. If the endpoint is known to be etcd, that error has the code `Unavailable`
 * instead.
 */
const MALFORMED: Row = {
  // The response is not in the form of etcd, and another endpoint may be etcd.
  read: 'fail',
  write: 'ambiguous',
  unsent: 'retryOtherEndpoint',
};

/**
 * The decisions for errors whose message is not in any table. Any other code means that the server rejected the call.
 */
const BY_CODE: Partial<Record<GrpcCode, Row>> = {
  Unavailable: NO_RESPONSE,
  // A stopping server cancels its calls in progress, in gRPC's own words.
  Canceled: NO_RESPONSE,
  DeadlineExceeded: INTERRUPTED,
  Aborted: INTERRUPTED,
  Internal: MALFORMED,
  DataLoss: INTERRUPTED,
};

/**
 * Looks up the action after a failed attempt.
 *
 * @param sent whether a part of it was sent: a write that was not sent is as harmless as a read
 */
export function retryAction(error: EtcdError, safety: Safety, sent: boolean): RetryAction {
  const row = TABLE[error.reason] ?? BY_CODE[error.code];
  if (row === undefined) return 'fail';
  return sent ? row[safety] : (row.unsent ?? row.read);
}
