import type { Safety } from '../codec/descriptors.js';
import { type EtcdError, type GrpcCode, InvalidOptionError, type Reason } from '../errors/index.js';

/** The facts about a failed attempt, which are passed to the function of the option `retry`. */
export interface RetryContext {
  /** The RPC, by its name in etcd: `KV.Put`. */
  readonly rpc: string;
  /** Whether the call only reads, or may write. */
  readonly safety: Safety;
  /** Whether the client has begun to send the attempt. If so, a write may have been carried out. */
  readonly sent: boolean;
  readonly error: EtcdError;
  /** The number of attempts so far, including this one. */
  readonly attempts: number;
  /** The action that rxetcd's own table suggests. */
  readonly action: RetryAction;
}

/**
 * A decision about a failed attempt:
 * - `default`: the action of rxetcd's own table
 * - `fail`: the call fails with the error. A write that was sent, and whose outcome is unknown, fails with
 *   `AmbiguousWrite`
 * - `retry`: another attempt on the next endpoint. The deadline of the call limits the attempts. Their number is
 *   limited only if `maxAttempts` is set. For a write that was sent, this means `default`
 * - `resend`: like `retry`, but also for a write that was sent, **which may then be carried out twice**. Use it only
 *   for writes where this does no harm
 */
export type RetryDecision = 'default' | 'fail' | 'retry' | 'resend';

/** A function that decides what follows a failed attempt. */
export type RetryPolicy = (failure: RetryContext) => RetryDecision;

/**
 * The policy for failed attempts, and the limits for the attempts of a call and for the pauses between them. A limit
 * that is omitted has its default.
 */
export interface CallRetryOptions {
  /** Decides what follows each failed attempt. The default is rxetcd's own table. */
  readonly policy?: RetryPolicy;
  /**
   * The maximum number of attempts of a call, the first one included. The default is the number of endpoints plus one,
   * and at least four. In the first five seconds of a call, the action `retry` has no default limit, as the cluster may
   * be electing a leader. This exception requires a second endpoint or the error `ProposalDropped`. An attempt with a
   * new token, or after a new version request, is made even if the maximum is reached. Attempts that receive no data
   * within `attemptTimeoutMs` do not count.
   */
  readonly maxAttempts?: number;
  /**
   * The longest first pause before an endpoint that failed is used again, in milliseconds: 100 by default. The pause
   * doubles with each failure. The pause after `StaleRead`, a change of leader or a retry by the policy doubles with
   * each attempt. After the first attempt, it is at most this option, or 150 by default.
   */
  readonly initialBackoffMs?: number;
  /**
   * The longest pause, in milliseconds. The default is 500 before an endpoint that failed is used again. For the pauses
   * between attempts, the default is 600 after a change of leader, and 4 800 after `StaleRead` or a retry by the
   * policy.
   */
  readonly maxBackoffMs?: number;
  /**
   * The largest part of a pause, from 0 to 1, by which it is shortened at random. The default is 0.5 before an endpoint
   * that failed is used again, and 2/3 for the pauses between attempts. Random pauses prevent many clients from
   * retrying at the same time.
   */
  readonly jitter?: number;
}

/** The limits in {@link CallRetryOptions}. */
export type RetryLimits = Omit<CallRetryOptions, 'policy'>;

const DECISIONS: ReadonlySet<unknown> = new Set<RetryDecision>(['default', 'fail', 'retry', 'resend']);

/** Allows one attempt for each call. */
export const NO_RETRIES: RetryPolicy = () => 'fail';

/**
 * Returns the decision of a policy: an action of the table, or `retryByPolicy` for another attempt.
 * `CallExecutor.recover` carries it out within the limits of the call.
 * @throws InvalidOptionError if the policy throws, or returns something else than a decision
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
 * - `retry`: another attempt on the next endpoint, or on the same one after `ProposalDropped`
 * - `retryOtherEndpoint`: another attempt on the next endpoint. The call has at most as many attempts as there are
 *   endpoints
 * - `retryNewerMember`: another attempt on the next endpoint; this endpoint works, but its data is too old for the
 *   request
 * - `reauthenticate`: another attempt with a new token, once for each call
 * - `reprobeVersion`: another attempt on the same endpoint after requesting the version of its server, once for each
 *   call
 * - `ambiguous`: the call fails with `AmbiguousWrite`, as the server may have carried out the write
 */
export type RetryAction = 'fail' | 'retry' | 'retryOtherEndpoint' | 'retryNewerMember' | 'reauthenticate' | 'reprobeVersion' | 'ambiguous';

interface Row {
  readonly read: RetryAction;
  readonly write: RetryAction;
  /**
   * The action if the request itself was not sent, so that the server may only have received a version request. By
   * default it is the action for a read.
   */
  readonly unsent?: RetryAction;
}

// The call was not sent, so a retry is safe.
const NOT_SENT: Row = { read: 'retry', write: 'retry' };
// The server checks the token before it processes the request.
const TOKEN_REFUSED: Row = { read: 'reauthenticate', write: 'reauthenticate' };
const NO_TLS: Row = {
  // The server did not process the request, and would refuse the next attempt as well. Another endpoint may accept it.
  read: 'retryOtherEndpoint',
  write: 'retryOtherEndpoint',
};
// The server may have carried out the write, or may carry it out later.
const NO_RESPONSE: Row = { read: 'retry', write: 'ambiguous' };

const PROXY_REFUSED: Row = {
  // A proxy responded in place of etcd, so etcd did not process the request. etcd may recover soon, or another endpoint
  // may work.
  read: 'retry',
  write: 'retryOtherEndpoint',
};

// The cluster refuses the request before it processes it.
const CLUSTER_REFUSED: Row = { read: 'fail', write: 'fail' };

/**
 * The action for each reason. If neither this table has the reason nor `BY_CODE` has the code, the server has rejected
 * the call.
 */
const TABLE: Partial<Record<Reason, Row>> = {
  Unreachable: NOT_SENT,
  TlsFailed: NO_TLS,
  // Another member may have newer data, or this member may receive newer data a moment later.
  StaleRead: { read: 'retryNewerMember', write: 'fail' },
  InvalidAuthToken: TOKEN_REFUSED,
  AuthOldRevision: TOKEN_REFUSED,
  // The server sends this error for a call without a token. If the client has credentials, auth was enabled in the
  // meantime.
  UserEmpty: TOKEN_REFUSED,
  UnsupportedServerVersion: {
    // The call was not sent. The server may have been upgraded since its version was requested.
    read: 'reprobeVersion',
    write: 'reprobeVersion',
  },
  UnknownMethod: {
    // The server did not process the request. It may have been replaced by another version since its version was
    // requested.
    read: 'reprobeVersion',
    write: 'reprobeVersion',
  },
  ProxyRefused: PROXY_REFUSED,
  ConnectionLost: NO_RESPONSE,
  NoLeader: NO_RESPONSE,
  LeaderChanged: NO_RESPONSE,
  // Raft refuses a proposal as a whole, before any part of it is appended or forwarded.
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
  // The server has sent a response, and the next response would be as long.
  ResponseTooLarge: { read: 'fail', write: 'ambiguous' },
  // The caller aborted the call after it was sent.
  Aborted: { read: 'fail', write: 'ambiguous' },
  // The client was closed after the call was sent.
  ClientClosed: { read: 'fail', write: 'ambiguous' },
};

// The call was interrupted, perhaps after the write was carried out.
const INTERRUPTED: Row = { read: 'fail', write: 'ambiguous' };

/**
 * The row is also used for `MalformedResponse`. If the response is not from etcd although the endpoint is known to be
 * etcd, the error has the code `Unavailable` instead. This code has another row.
 */
const MALFORMED: Row = {
  // The response does not have the form of etcd's responses. Another endpoint may be etcd.
  read: 'fail',
  write: 'ambiguous',
  unsent: 'retryOtherEndpoint',
};

/**
 * The action for errors whose reason is not in `TABLE`, by their code. Any other code means that the server rejected
 * the call.
 */
const BY_CODE: Partial<Record<GrpcCode, Row>> = {
  Unavailable: NO_RESPONSE,
  // A server that stops cancels its calls in progress, with gRPC's own message.
  Canceled: NO_RESPONSE,
  DeadlineExceeded: INTERRUPTED,
  Aborted: INTERRUPTED,
  Internal: MALFORMED,
  DataLoss: INTERRUPTED,
};

/**
 * Looks up the action after a failed attempt.
 *
 * @param sent whether a part of the request was sent. A write that was not sent can be retried like a read
 */
export function retryAction(error: EtcdError, safety: Safety, sent: boolean): RetryAction {
  const row = TABLE[error.reason] ?? BY_CODE[error.code];
  if (row === undefined) return 'fail';
  return sent ? row[safety] : (row.unsent ?? row.read);
}
