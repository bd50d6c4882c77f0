import { expect, jest } from '@jest/globals';
import { asyncScheduler, type Subscription } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';

/** Time that a test controls: it moves both clocks. */
export interface VirtualTime {
  /** The milliseconds since the test began, whatever the clocks show. */
  now(): number;
  /** Runs a function at a time. */
  at(ms: number, what: () => void): void;
  /** Sets the wall clock. A step forward is also what a machine sees after it has slept. */
  stepWall(byMs: number): void;
  /** The number of active timers, without those of `at`. */
  timers(): number;
  /** Lets time pass until no timer is left. */
  flush(): void;
}

/** Runs a test in virtual time: hours pass in a millisecond. The monotonic clock follows RxJS's. */
export function runInVirtualTime<T>(test: (helpers: RunHelpers & VirtualTime) => T): T {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  const { now, schedule } = asyncScheduler;
  let stepped = 0;
  const timers: Subscription[] = [];
  const spies = [
    jest.spyOn(performance, 'now').mockImplementation(() => now()),
    jest.spyOn(asyncScheduler, 'now').mockImplementation(() => now() + stepped),
    jest.spyOn(asyncScheduler, 'schedule').mockImplementation((...args) => {
      const timer = schedule.apply(asyncScheduler, args);
      timers.push(timer);
      return timer;
    }),
  ];
  try {
    return scheduler.run((helpers) =>
      test({
        ...helpers,
        now,
        at: (ms, what) => void scheduler.schedule(what, ms),
        stepWall: (byMs) => void (stepped += byMs),
        timers: () => timers.filter(({ closed }) => !closed).length,
      }),
    );
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
