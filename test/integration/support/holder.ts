import { firstValueFrom, ReplaySubject, type Observable } from 'rxjs';

/** An owner of a lock or a permit, or a waiter for it. */
export interface Holder<T> {
  /** The handle, once it is the owner. */
  readonly had: Promise<T>;
  /** The error by which it lost the lock. */
  readonly lost: Promise<unknown>;
  readonly has: boolean;
  readonly completed: boolean;
  leave(): void;
}

/** Subscribes, and records the handle and the error until it is released. */
export function holding<T>(source: Observable<T>): Holder<T> {
  const values = new ReplaySubject<T>(1);
  const state = { has: false, completed: false };
  const subscription = source.subscribe({
    next: (value) => {
      state.has = true;
      values.next(value);
    },
    error: (error: unknown) => {
      state.has = false;
      values.error(error);
    },
    complete: () => {
      state.has = false;
      state.completed = true;
      values.complete();
    },
  });
  const had = firstValueFrom(values);
  // The promise need not be awaited.
  had.catch(() => undefined);
  return {
    had,
    lost: new Promise((resolve) => values.subscribe({ error: resolve })),
    get has() {
      return state.has;
    },
    get completed() {
      return state.completed;
    },
    leave: () => {
      state.has = false;
      subscription.unsubscribe();
    },
  };
}
