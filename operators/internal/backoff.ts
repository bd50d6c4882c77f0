import { FUNCTION, LONGEST_MS, type OptionKinds } from '../../src/model/validate.js';
import { backoffMs } from '../../src/util/time.js';
import { within } from './validators.js';

/** The pauses before retries. */
export interface BackoffOptions {
  /** The longest pause before the first retry, in milliseconds. It doubles with each further failure. Default 100. */
  readonly initialMs?: number;
  /** The longest pause before any retry, in milliseconds. Default 10 000. */
  readonly maxMs?: number;
  /**
   * The part of a pause, from 0 to 1, by which it may be shortened at random. Random pauses keep many clients from
   * retrying at the same time. Default 0.2.
   */
  readonly jitter?: number;
  /** The source of randomness: a number from 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** The valid values of each option. */
export const backoffKinds = (): OptionKinds<BackoffOptions> => ({
  initialMs: within(0, LONGEST_MS),
  maxMs: within(0, LONGEST_MS),
  jitter: within(0, 1),
  random: FUNCTION,
});

/**
 * Returns a function that calculates a pause in milliseconds. Its argument is the number of earlier failures in a row:
 * 0 at the first failure.
 */
export function backoff(options: BackoffOptions): (failuresBefore: number) => number {
  const { initialMs = 100, maxMs = 10_000, jitter = 0.2, random = Math.random } = options;
  return (failuresBefore) => backoffMs(failuresBefore, { initialMs, maxMs, jitter, random });
}
