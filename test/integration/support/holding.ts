import type { Observable, Subscription } from 'rxjs';
import { waitForValue } from '../../support/waitFor.js';

/** What became of something that is held as long as it is subscribed to. */
export interface Holding<T> {
  readonly values: readonly T[];
  error: unknown;
  /** By the monotonic clock. */
  endedAt: number;
  completed: boolean;
  leave(): void;
  /** The first value; throws what it ends in before it. */
  first(timeoutMs?: number): Promise<T>;
  /** The error that it ends in. */
  failure(timeoutMs?: number): Promise<unknown>;
}

/** Holds things for a test, and lets go of them after it. */
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

/** How late timers are: a busy machine must not pass for a late signal. */
export class Lateness {
  private readonly everyMs = 5;
  private mostMs = 0;
  private last = performance.now();
  private readonly timer = setInterval(() => this.look(), this.everyMs);

  /** The latest that a timer was since this was made. It ends with that. */
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
