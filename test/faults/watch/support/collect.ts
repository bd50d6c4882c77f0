import type { Observable, Subscription } from 'rxjs';

/** The emissions of an Observable so far, and how it ended. */
export interface Collected<T> {
  readonly values: readonly T[];
  readonly error: unknown;
  readonly completed: boolean;
  stop(): void;
}

/** Subscribes, and records all emissions. */
export function collect<T>(source: Observable<T>): Collected<T> {
  const values: T[] = [];
  let error: unknown;
  let completed = false;
  const subscription: Subscription = source.subscribe({
    next: (value) => values.push(value),
    error: (reason: unknown) => (error = reason),
    complete: () => (completed = true),
  });
  return {
    values,
    get error() {
      return error;
    },
    get completed() {
      return completed;
    },
    stop: () => subscription.unsubscribe(),
  };
}
