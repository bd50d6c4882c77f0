import type { Observable, Subscription } from 'rxjs';
import { waitForValue } from '../../support/waitFor.js';

/** The state of a subscription that holds a lock or a lease. */
export interface Holding<T> {
  readonly values: readonly T[];
  error: unknown;
  /** The time of the end, by the monotonic clock. */
  endedAt: number;
  completed: boolean;
  leave(): void;
  /** The first value; throws the error that comes before it. */
  first(timeoutMs?: number): Promise<T>;
  /** The error by which the subscription ended. */
  failure(timeoutMs?: number): Promise<unknown>;
}

/** Holds locks and leases for a test, and releases them after it. */
export class Holder {
  private readonly open: Subscription[] = [];

  hold<T>(source: Observable<T>, onValue: (value: T) => void = () => undefined): Holding<T> {
    const values: T[] = [];
    const holding: Holding<T> = {
      values,
      error: undefined,
      endedAt: 0,
      completed: false,
      leave: () => subscription.unsubscribe(),
      first: async (timeoutMs) => {
        await waitForValue(() => values.length > 0 || holding.endedAt > 0, Boolean, timeoutMs);
        if (values.length > 0) return values[0] as T;
        throw holding.error ?? new Error('it completed without a value');
      },
      failure: async (timeoutMs) => {
        await waitForValue(() => holding.endedAt > 0, Boolean, timeoutMs);
        return holding.error;
      },
    };
    const subscription = source.subscribe({
      next: (value) => {
        values.push(value);
        onValue(value);
      },
      error: (error: unknown) => {
        holding.endedAt = performance.now();
        holding.error = error;
      },
      complete: () => {
        holding.endedAt = performance.now();
        holding.completed = true;
      },
    });
    this.open.push(subscription);
    return holding;
  }

  letGo(): void {
    for (const subscription of this.open.splice(0)) subscription.unsubscribe();
  }
}

/** Measures how late timers are: a busy machine must not count as a late signal. */
export class Lateness {
  private readonly everyMs = 5;
  private mostMs = 0;
  private last = performance.now();
  private readonly timer = setInterval(() => this.look(), this.everyMs);

  /** Returns the longest delay of a timer since the start, and stops the measurement. */
  end(): number {
    clearInterval(this.timer);
    this.look();
    return this.mostMs;
  }

  private look(): void {
    const now = performance.now();
    this.mostMs = Math.max(this.mostMs, now - this.last - this.everyMs);
    this.last = now;
  }
}
