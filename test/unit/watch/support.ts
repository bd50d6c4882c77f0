import type { Steps } from '../../../src/watch/live/listAndWatch.js';
import { LiveEntries } from '../../../src/watch/live/liveRange.js';
import type { Source } from '../../../src/watch/refCounted.js';
import type { KeyValue } from '../../../src/model/keyValue.js';
import { Observable } from 'rxjs';

export { runInVirtualTime } from '../../support/virtualTime.js';

/** The notifications of an Observable so far. */
export interface Seen<T> {
  readonly values: T[];
  readonly errors: unknown[];
  completed: boolean;
  /** Unsubscribes. */
  leave(): void;
}

/** Subscribes, and records the notifications. */
export function watching<T>(source: Observable<T>): Seen<T> {
  const seen: Seen<T> = { values: [], errors: [], completed: false, leave: () => subscription.unsubscribe() };
  const subscription = source.subscribe({
    next: (value) => seen.values.push(value),
    error: (error: unknown) => seen.errors.push(error),
    complete: () => (seen.completed = true),
  });
  return seen;
}

/** Converts an object with `subscribe` to an Observable. */
export const observable = <T>(source: Source<T>): Observable<T> => new Observable((subscriber) => source.subscribe(subscriber));

/** Returns the error that a function throws; fails if it does not throw. */
export function rejected(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it should have thrown');
}

/** Returns the result of work that completes synchronously. */
export function resultOf<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

/** Returns the entries of these pairs. */
export function entriesOf(kvs: Iterable<KeyValue>): LiveEntries {
  const gathering = LiveEntries.gather();
  resultOf(gathering.add(kvs));
  return gathering.done();
}
