import type { Steps } from '../../../src/watch/live/listing.js';
import { LiveEntries } from '../../../src/watch/live/liveRange.js';
import type { Source } from '../../../src/watch/refCounted.js';
import type { KeyValue } from '../../../src/model/keyValue.js';
import { expect } from '@jest/globals';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import { Observable } from 'rxjs';
import { withClocksInStep } from '../clocks.js';

/** Runs in virtual time: hours pass in a millisecond. */
export function virtually<T>(test: (helpers: RunHelpers) => T): T {
  return withClocksInStep(() => new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(test));
}

/** What an Observable did so far. */
export interface Seen<T> {
  readonly values: T[];
  readonly errors: unknown[];
  completed: boolean;
  /** Leaves it. */
  leave(): void;
}

/** Subscribes, and writes down what comes. */
export function watching<T>(source: Observable<T>): Seen<T> {
  const seen: Seen<T> = { values: [], errors: [], completed: false, leave: () => subscription.unsubscribe() };
  const subscription = source.subscribe({
    next: (value) => seen.values.push(value),
    error: (error: unknown) => seen.errors.push(error),
    complete: () => (seen.completed = true),
  });
  return seen;
}

/** What is subscribed to like an Observable, as one. */
export const observable = <T>(source: Source<T>): Observable<T> => new Observable((subscriber) => source.subscribe(subscriber));

/** What a function throws; it is an error of the test if it does not. */
export function rejected(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it should have thrown');
}

/** The result of work that is done at once. */
export function resultOf<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

/** Entries of these pairs. */
export function entriesOf(kvs: Iterable<KeyValue>): LiveEntries {
  const gathering = LiveEntries.gather();
  resultOf(gathering.add(kvs));
  return gathering.done();
}
