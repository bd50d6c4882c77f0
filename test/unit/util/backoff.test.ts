import { afterEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { Backoff } from '../../../src/util/time.js';

const pauses = (backoff: Backoff, count: number): number[] => Array.from({ length: count }, () => backoff.next());

afterEach(() => {
  jest.restoreAllMocks();
});

describe('pauses', () => {
  test('double up to the longest, and begin again after a reset', () => {
    jest.spyOn(Math, 'random').mockReturnValue(1);
    const backoff = new Backoff(50, 1_000);
    expect(pauses(backoff, 7)).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
    backoff.reset();
    expect(pauses(backoff, 2)).toEqual([50, 100]);
  });

  test('are shortened at random, by up to a half and never more', () => {
    const short = jest.spyOn(Math, 'random').mockReturnValue(0);
    expect(pauses(new Backoff(50, 1_000), 3)).toEqual([25, 50, 100]);
    short.mockReturnValue(0.5);
    expect(pauses(new Backoff(50, 1_000), 3)).toEqual([38, 75, 150]);
  });

  test('are never longer than the maximum, and always whole numbers, after any number of failures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 100_000 }), (initialMs, maxMs) => {
        const least = Math.min(initialMs, maxMs) / 2;
        const backoff = new Backoff(initialMs, maxMs);
        for (const pause of pauses(backoff, 2_000)) {
          expect(pause >= least && pause <= maxMs && Number.isInteger(pause)).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });
});
