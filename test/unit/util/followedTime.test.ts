import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { asyncScheduler, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { atEndOfTurn, followRxjsTime, isTimeVirtual, monotonicNow, SharedTimeout } from '../../../src/util/time.js';

const HOUR = 3_600_000;
const inVirtualTime = (run: (flush: () => void) => void): void => new TestScheduler(() => undefined).run(({ flush }) => run(flush));

/** Returns how much the clock and a deadline of an hour have advanced when RxJS's time has moved by an hour. */
function afterAnHour(pass: () => void): { elapsedMs: number; expired: boolean } {
  const begunAt = monotonicNow();
  let expired = false;
  new SharedTimeout(HOUR).set(() => (expired = true));
  pass();
  return { elapsedMs: monotonicNow() - begunAt, expired };
}

describe('the clock of the client', () => {
  test('is that of the machine until it follows that of RxJS', () => {
    inVirtualTime((flush) => {
      timer(HOUR).subscribe();
      const begunAt = monotonicNow();
      flush();
      expect(monotonicNow() - begunAt).toBeLessThan(HOUR);
      expect(isTimeVirtual()).toBe(false);
    });
  });

  describe('that follows RxJS', () => {
    // This is never undone: from here on, the time in this file follows RxJS.
    const follow = (): void => followRxjsTime();
    afterEach(() => void jest.useRealTimers());

    test('continues from its current time', () => {
      const before = monotonicNow();
      follow();
      expect(monotonicNow() - before).toBeGreaterThanOrEqual(-1);
      expect(monotonicNow() - before).toBeLessThan(HOUR);
    });

    test('advances with TestScheduler.run', () => {
      follow();
      expect(isTimeVirtual()).toBe(false);
      inVirtualTime((flush) => {
        expect(isTimeVirtual()).toBe(true);
        expect(afterAnHour(flush)).toEqual({ elapsedMs: HOUR, expired: true });
      });
      expect(isTimeVirtual()).toBe(false);
    });

    test('advances with fake timers, also if they do not replace performance.now', () => {
      follow();
      for (const doNotFake of [[], ['performance']] as const) {
        jest.useFakeTimers({ doNotFake: [...doNotFake] });
        expect(afterAnHour(() => jest.advanceTimersByTime(HOUR))).toEqual({ elapsedMs: HOUR, expired: true });
        expect(isTimeVirtual()).toBe(false);
        jest.useRealTimers();
      }
    });

    test('ends a turn in the frame in which it began, before the next timer', () => {
      follow();
      const order: string[] = [];
      inVirtualTime((flush) => {
        asyncScheduler.schedule(() => order.push('timer'), 1);
        atEndOfTurn(() => order.push(`end at ${asyncScheduler.now()}`));
        order.push('turn');
        flush();
      });
      expect(order).toEqual(['turn', 'end at 0', 'timer']);
    });

    test('ends a turn with fake timers, too', () => {
      follow();
      jest.useFakeTimers();
      let ended = false;
      atEndOfTurn(() => (ended = true));
      jest.advanceTimersByTime(0);
      expect(ended).toBe(true);
    });
  });
});
