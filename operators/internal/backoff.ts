import { FUNCTION, LONGEST_MS, type OptionKinds } from '../../src/model/validate.js';
import { backoffMs } from '../../src/util/time.js';
import { within } from './validators.js';

/** How long to wait before another try. */
export interface BackoffOptions {
  /** The longest wait before the first retry, in milliseconds; it doubles with each failure after it. Default 100. */
  readonly initialMs?: number;
  /** No wait is longer than this. Default 10 000. */
  readonly maxMs?: number;
  /**
   * The part of a wait, 0 to 1, that chance may take off it, so that many clients do not come back at once. Default
   * 0.2.
   */
  readonly jitter?: number;
  /** The source of randomness: a number from 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** The valid values of each. */
export const backoffKinds = (): OptionKinds<BackoffOptions> => ({
  initialMs: within(0, LONGEST_MS),
  maxMs: within(0, LONGEST_MS),
  jitter: within(0, 1),
  random: FUNCTION,
});

/** Returns a function from the number of earlier failures in a row, 0 for the first, to the pause in milliseconds. */
export function backoff(options: BackoffOptions): (failuresBefore: number) => number {
  const { initialMs = 100, maxMs = 10_000, jitter = 0.2, random = Math.random } = options;
  return (failuresBefore) => backoffMs(failuresBefore, { initialMs, maxMs, jitter, random });
}
