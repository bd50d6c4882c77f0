import { firstValueFrom, ReplaySubject, type Observable } from 'rxjs';

/** One who holds something (a lock, a permit), or waits for it. */
export interface Holder<T> {
  /** What it has, once it has it. */
  readonly had: Promise<T>;
  /** The error by which it lost it. */
  readonly lost: Promise<unknown>;
  readonly has: boolean;
  readonly completed: boolean;
  leave(): void;
}

/** Subscribes, and holds what comes until it leaves. */
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
  // Who only waits to see it lost need not look at this.
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
