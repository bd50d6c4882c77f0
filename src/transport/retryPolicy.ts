import type { Safety } from '../codec/rpc.js';
import { InvalidOptionError, type EtcdError } from '../errors/index.js';
import type { Verdict } from './retry.js';

/** A try that failed, as the function of the option `retry` is told of it. */
export interface RetryFailure {
  /** As etcd names it: `KV.Put`. */
  readonly rpc: string;
  /** Whether the call changes anything. */
  readonly safety: Safety;
  /** The try had begun to leave: a write may have been carried out. */
  readonly sent: boolean;
  readonly error: EtcdError;
  /** So far, with this one. */
  readonly tries: number;
  /** What rxetcd would do by its own table. */
  readonly verdict: Verdict;
}

/**
 * What is done about it:
 * - `default`: what rxetcd would do
 * - `fail`: the error is given out; of a write that was sent, and of which nobody knows what became, as `AmbiguousWrite`
 * - `again`: another try on the next endpoint, as often as this is said and the deadline lets it. For a write that was sent it means `default`
 * - `resend`: `again`, for a write that was sent, too. **It may then be carried out twice.** Only for writes of which you know that this does no harm
 */
export type RetryDecision = 'default' | 'fail' | 'again' | 'resend';

/** Decides what is done about a try that failed. */
export type RetryPolicy = (failure: RetryFailure) => RetryDecision;

const DECISIONS: ReadonlySet<unknown> = new Set<RetryDecision>(['default', 'fail', 'again', 'resend']);

/** No call is tried twice. */
export const NO_RETRIES: RetryPolicy = () => 'fail';

/** What a policy makes of a failure: the verdict of the table, or a try more. @throws InvalidOptionError where the policy fails, or says what means nothing */
export function decided(policy: RetryPolicy | undefined, failure: RetryFailure): Verdict | 'tryAgain' {
  if (policy === undefined) return failure.verdict;
  const decision = askedOf(policy, failure);
  if (decision === 'fail') return failure.verdict === 'ambiguous' ? 'ambiguous' : 'fail';
  // At most once is not to be lost by a slip.
  const mayRepeat = decision === 'resend' || (decision === 'again' && !(failure.sent && failure.safety === 'write'));
  return mayRepeat ? 'tryAgain' : failure.verdict;
}

function askedOf(policy: RetryPolicy, failure: RetryFailure): RetryDecision {
  const { rpc, error } = failure;
  const where = { rpc, endpoint: error.endpoint };
  let decision: unknown;
  try {
    decision = policy(failure);
  } catch (cause) {
    throw new InvalidOptionError('retry', 'its function threw an error', { ...where, cause });
  }
  if (isDecision(decision)) return decision;
  throw new InvalidOptionError('retry', `its function has to give one of ${[...DECISIONS].join(', ')}`, where);
}

const isDecision = (decision: unknown): decision is RetryDecision => DECISIONS.has(decision);
