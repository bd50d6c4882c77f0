import { jest } from '@jest/globals';
import { asyncScheduler } from 'rxjs';

/** Runs with the monotonic clock in step with RxJS's, which a `TestScheduler` moves. */
export function withClocksInStep<T>(run: () => T): T {
  const { now } = asyncScheduler;
  const spy = jest.spyOn(performance, 'now').mockImplementation(() => now());
  try {
    return run();
  } finally {
    spy.mockRestore();
  }
}
