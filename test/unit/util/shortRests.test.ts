import { expect, test } from '@jest/globals';
import { TimerQueue } from '../../../src/concurrency/lease/refreshScheduler.js';
import { scheduleTimeout } from '../../../src/util/time.js';
import { runInVirtualTime } from '../../support/virtualTime.js';

/** A rest that remains after a subtraction of times: a clock that shows 17 s does not move if it is added. */
const ROUNDING_ERROR_MS = 1e-12;

/** Sets a timer for a rounding error again and again, and returns the times at which it fired. */
function firings(set: (ms: number, run: () => void) => unknown): readonly number[] {
  const times: number[] = [];
  runInVirtualTime(({ at, now, flush }) => {
    const again = (): void => {
      times.push(now());
      if (times.length < 4) set(ROUNDING_ERROR_MS, again);
    };
    at(17_000, () => set(ROUNDING_ERROR_MS, again));
    flush();
  });
  return times;
}

// In virtual time the clock only moves when a timer fires later than now. Otherwise such timers would fire forever.
test.each<[string, () => (ms: number, run: () => void) => unknown]>([
  ['a timeout', () => scheduleTimeout],
  [
    'an entry of a TimerQueue',
    () => {
      let timers: TimerQueue | undefined;
      return (ms, run) => (timers ??= new TimerQueue()).in(ms, run);
    },
  ],
])('%s for less than a millisecond moves the clock', (_, prepare) => {
  expect(firings(prepare())).toEqual([17_001, 17_002, 17_003, 17_004]);
});
