import { asyncScheduler } from 'rxjs';

/** A moment by both clocks that there are. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

/** Now. */
export function moment(): Moment {
  return { wall: asyncScheduler.now(), monotonic: performance.now() };
}

/**
 * Milliseconds since a moment, by the clock that shows more: the wall clock may be set back, and the monotonic one stands still while a machine sleeps. What
 * is held for a time must never be held longer for a clock's sake.
 */
export function since(then: Moment): number {
  return Math.max(asyncScheduler.now() - then.wall, performance.now() - then.monotonic);
}

/** What the clocks may differ by because one shows whole milliseconds and they are read one after the other. */
const JITTER_MS = 5;

/** Time that passes as {@link since} reckons it, for what is compared over and over: it never goes back, and a step of the wall clock there and back counts once. */
export class Clock {
  private origin = moment();
  private passed = 0;

  /** Milliseconds since this was made. */
  now(): number {
    const { wall, monotonic } = moment();
    const byWall = wall - this.origin.wall;
    const byMonotonic = monotonic - this.origin.monotonic;
    const now = this.passed + Math.max(byWall, byMonotonic);
    // A clock was set, or stood still: what the other has shown counts, and from here on both do again.
    if (Math.abs(byWall - byMonotonic) > JITTER_MS) {
      this.origin = { wall, monotonic };
      this.passed = now;
    }
    return now;
  }
}
