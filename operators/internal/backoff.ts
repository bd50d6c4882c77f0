import { FUNCTION, LONGEST_MS, type OptionKinds } from '../../src/model/validate.js';
import { within } from './validators.js';

/** How long to wait before another try. */
export interface BackoffConfig {
  /** The longest wait before the first retry, in milliseconds; it doubles with each failure after it. Default 100. */
  readonly initialMs?: number;
  /** No wait is longer than this. Default 10 000. */
  readonly maxMs?: number;
  /** The part of a wait, 0 to 1, that chance may take off it, so that many clients do not come back at once. Default 0.2. */
  readonly jitter?: number;
  /** Where chance comes from: a number from 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** What each of them may be. */
export const backoffKinds = (): OptionKinds<BackoffConfig> => ({
  initialMs: within(0, LONGEST_MS),
  maxMs: within(0, LONGEST_MS),
  jitter: within(0, 1),
  random: FUNCTION,
});

/** The wait, in milliseconds, after so many failures in a row before the last one: 0 for the first. */
export function backoff(config: BackoffConfig): (failuresBefore: number) => number {
  const { initialMs = 100, maxMs = 10_000, jitter = 0.2, random = Math.random } = config;
  return (failuresBefore) => {
    // Past 2^31 the cap has been reached by any wait of a millisecond; the bound keeps 0 * Infinity from being NaN.
    const wait = Math.min(maxMs, initialMs * 2 ** Math.min(failuresBefore, 31));
    return wait * (1 - jitter * random());
  };
}
