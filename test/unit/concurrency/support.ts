import { jest } from '@jest/globals';
import { asyncScheduler, defer, map, throwError, timer, type Observable, type Subscription } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { now } from '../../../src/util/time.js';
import type { KeepAliveResult } from '../../../src/concurrency/lease/keepAlives.js';
import { EtcdError, isEtcdError, type Reason } from '../../../src/errors/index.js';
import { leaseId } from '../../../src/model/ids.js';

export const HOUR = 3_600_000;
export const ID = leaseId('7');
export const OTHER = leaseId('8');

/** Time that a test moves, with both clocks in its hand. */
export interface VirtualTime {
  /** Milliseconds since the test began, whatever the clocks show. */
  now(): number;
  /** Does something then. */
  at(ms: number, what: () => void): void;
  /** Sets the wall clock; forward it is also what a machine sees that has slept. */
  stepWall(byMs: number): void;
  /** How many timers are set, those of `at` left out. */
  timers(): number;
  /** Lets time pass until nothing waits for it any more. */
  flush(): void;
}

/** Runs in virtual time, with the monotonic clock in step. */
export function virtually<T>(test: (time: VirtualTime) => T): T {
  const scheduler = new TestScheduler(() => undefined);
  const { now, schedule } = asyncScheduler;
  let stepped = 0;
  const set: Subscription[] = [];
  const spies = [
    jest.spyOn(performance, 'now').mockImplementation(() => now()),
    jest.spyOn(asyncScheduler, 'now').mockImplementation(() => now() + stepped),
    jest.spyOn(asyncScheduler, 'schedule').mockImplementation((...args) => {
      const made = schedule.apply(asyncScheduler, args);
      set.push(made);
      return made;
    }),
  ];
  try {
    return scheduler.run(({ flush }) =>
      test({
        now,
        at: (ms, what) => void scheduler.schedule(what, ms),
        stepWall: (byMs) => void (stepped += byMs),
        timers: () => set.filter(({ closed }) => !closed).length,
        flush,
      }),
    );
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

export const errorOf = (reason: Reason): EtcdError => new EtcdError(reason, `a test's ${reason}`);

/** What an Observable did, each with its time. */
export interface Told<T> {
  readonly events: { readonly at: number; readonly event: T }[];
  end: { readonly at: number; readonly reason: Reason | 'completed' } | undefined;
  error: unknown;
  leave(): void;
}

/** Subscribes, and writes down what comes, and when. */
export function told<T>({ now }: VirtualTime, source: Observable<T>): Told<T> {
  const seen: Told<T> = { events: [], end: undefined, error: undefined, leave: () => subscription.unsubscribe() };
  const subscription = source.subscribe({
    next: (event) => seen.events.push({ at: now(), event }),
    error: (error: unknown) => {
      if (!isEtcdError(error)) throw error;
      seen.end = { at: now(), reason: error.reason };
      seen.error = error;
    },
    complete: () => (seen.end = { at: now(), reason: 'completed' }),
  });
  return seen;
}

/** What becomes of a refresh. */
export type Answer = () => Observable<KeepAliveResult>;

/** It is answered, so many milliseconds later. */
export const answered =
  (ttl: number, afterMs = 1): Answer =>
  () =>
    defer(() => {
      const sentAt = now();
      return timer(afterMs).pipe(map(() => ({ ttl, sentAt })));
    });

/** It fails, so many milliseconds later. */
export const failing =
  (reason: Reason, afterMs = 1): Answer =>
  () =>
    timer(afterMs).pipe(
      map(() => {
        throw errorOf(reason);
      }),
    );

/** It fails at once. */
export const failingAtOnce =
  (reason: Reason): Answer =>
  () =>
    throwError(() => errorOf(reason));
