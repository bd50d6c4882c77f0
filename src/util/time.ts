import { Queue } from './queue.js';
import { asapScheduler, asyncScheduler, type MonoTypeOperatorFunction, retry, type Subscription, throwError, timer } from 'rxjs';

/**
 * Reads the monotonic clock. {@link followRxjsTime} replaces this function; calling a variable costs no more than a
 * direct call.
 */
// eslint-disable-next-line no-restricted-properties -- the only place that reads it
let readMonotonic = (): number => performance.now();
/** Reads the real wall clock. Unlike RxJS's clock, it is not replaced by TestScheduler. */
// eslint-disable-next-line no-restricted-properties -- RxJS's clock is compared with it
const wallClock = (): number => Date.now();
let followsRxjs = false;

/**
 * Returns the milliseconds since a fixed time, by a clock that is never set. The wall clock is not used. If it were set
 * forward, deadlines and pauses would end at once. If it were set back by an hour, they would last an hour longer.
 */
export const monotonicNow = (): number => readMonotonic();

/**
 * Makes all clients of this process measure time only by RxJS's clock. `TestScheduler.run` controls that clock and the
 * timers of RxJS, but not `performance.now`. Fake timers always replace `Date`, but some libraries do not replace
 * `performance`.
 */
export function followRxjsTime(): void {
  if (followsRxjs) return;
  followsRxjs = true;
  // The clock continues from its current time, so that no timer becomes due. The frames of a TestScheduler begin with
  // 0, and are not changed.
  const origin = Math.round(wallClock() - readMonotonic());
  readMonotonic = () => {
    const wall = asyncScheduler.now();
    return wall < origin ? wall : wall - origin;
  };
}

/** The largest difference between two readings of the wall clock, one right after the other, in milliseconds. */
const SAME_CLOCK_MS = 1_000;

/**
 * Returns whether the time of RxJS is virtual, as in `TestScheduler.run`. It can be virtual only after
 * {@link followRxjsTime}.
 */
export function isTimeVirtual(): boolean {
  return followsRxjs && Math.abs(asyncScheduler.now() - wallClock()) > SAME_CLOCK_MS;
}

/** A time, by both the wall clock and the monotonic clock. */
export interface Timestamp {
  readonly wall: number;
  readonly monotonic: number;
}

/** Reads both clocks. */
export function now(): Timestamp {
  return { wall: asyncScheduler.now(), monotonic: monotonicNow() };
}

/**
 * Returns the milliseconds since a timestamp, by the clock that shows the longer time. The wall clock may be set back,
 * and the monotonic clock stands still while a machine sleeps. Neither must make a lease seem valid for longer than it
 * is.
 */
export function elapsedSince(then: Timestamp): number {
  return Math.max(asyncScheduler.now() - then.wall, monotonicNow() - then.monotonic);
}

/**
 * The largest normal difference between the times that the two clocks have measured, in milliseconds. One of the clocks
 * shows only whole milliseconds, and the two clocks are read one after the other.
 */
const JITTER_MS = 5;

/**
 * Measures time as {@link elapsedSince} does, for repeated comparisons. The measured time never goes back. If the wall
 * clock is set forward and then back, only the first step counts.
 */
export class Clock {
  private origin = now();
  private passed = 0;

  /** Returns the milliseconds since the clock was created. */
  now(): number {
    const { wall, monotonic } = now();
    const byWall = wall - this.origin.wall;
    const byMonotonic = monotonic - this.origin.monotonic;
    const total = this.passed + Math.max(byWall, byMonotonic);
    // One clock was set, or stood still. The longer time is used, and both clocks are measured from this moment on.
    if (Math.abs(byWall - byMonotonic) > JITTER_MS) {
      this.origin = { wall, monotonic };
      this.passed = total;
    }
    return total;
  }
}

/** The delay of a timer, in milliseconds, above which the process was busy with other work. */
const LATE_MS = 10;

/**
 * Runs `giveUp` after `ms` milliseconds. While a program computes, timers and arriving data wait, and timers run first.
 * So if the timer is late, the data that has arrived is read first, before the server counts as unresponsive. The delay
 * is rounded up to whole milliseconds. Without this, a rest that is too short for the clock would never pass in virtual
 * time.
 */
export function scheduleTimeout(ms: number, giveUp: () => void): Subscription {
  const dueAt = monotonicNow() + ms;
  return asyncScheduler.schedule<boolean>(
    function (hasRead = false) {
      if (hasRead || monotonicNow() - dueAt <= LATE_MS) giveUp();
      else this.schedule(true, 0);
    },
    Math.ceil(ms),
    false,
  );
}

/**
 * The functions with which a host can end a turn of the event loop. Node has `setImmediate`, a browser has
 * `MessageChannel`, and jsdom has neither.
 */
const host = globalThis as { readonly setImmediate?: (run: () => void) => unknown; readonly MessageChannel?: unknown };

/** A browser's channel, through which a page sends messages to itself. */
type OwnChannel = new () => { readonly port1: { onmessage: () => void }; readonly port2: { postMessage(message: unknown): void } };

/**
 * Runs a function once all events of this turn of the event loop have been handled. The function runs after the
 * responses that arrived together, and before any later response, without a pause. In virtual time it runs in the same
 * frame.
 */
export function atEndOfTurn(run: () => void): void {
  // `asapScheduler` is not used, as a TestScheduler fails if one of its tasks cancels a timer that is due in the same
  // frame.
  if (isTimeVirtual()) asyncScheduler.schedule(run);
  else if (host.setImmediate !== undefined) host.setImmediate(run);
  else if (host.MessageChannel !== undefined) afterMessages(run);
  else asapScheduler.schedule(run);
}

const afterMessages = byMessage();

/** Runs each function in a separate task. In a browser, only messages cause such a task without a pause. */
function byMessage(): (run: () => void) => void {
  const waiting: (() => void)[] = [];
  let port: { postMessage(message: unknown): void } | undefined;
  return (run) => {
    if (port === undefined) {
      const channel = new (host.MessageChannel as OwnChannel)();
      channel.port1.onmessage = () => waiting.shift()?.();
      port = channel.port2;
    }
    waiting.push(run);
    port.postMessage(undefined);
  };
}

/** Called when a deadline expires. `early` is true if all deadlines are made to expire before their time. */
type Expire = (early: boolean) => void;

/** A deadline, whose time {@link SharedTimeout} sets. The object is also its own entry in the list of deadlines. */
export abstract class Deadline {
  dueAt = 0;
  list: SharedTimeout | undefined;
  before: Deadline | undefined;
  after: Deadline | undefined;

  abstract expire(early: boolean): void;
}

/** A deadline that calls a function. */
class Expiry extends Deadline {
  constructor(readonly expire: Expire) {
    super();
  }
}

/** Expires deadlines. If one throws, its error is reported, and the others still expire. */
function expireEach(deadlines: readonly Deadline[], early: boolean): void {
  for (const deadline of deadlines) {
    try {
      deadline.expire(early);
    } catch (error) {
      throwError(() => error).subscribe();
    }
  }
}

/**
 * Keeps the deadlines of calls that have the same timeout. They are due in the order in which they were set, so one
 * timer for the oldest deadline is enough. A separate timer for each call would take 0.35 us more. There is no timer
 * while no call is in progress, so that a process can end.
 */
export class SharedTimeout {
  /**
   * The deadlines are a list in which each entry refers to the next. With a Set, the garbage collection for a call took
   * 3 us more (measured with 64 calls at a time). A Set replaces its tables when it grows, and the old tables keep
   * ended entries alive.
   */
  private first: Deadline | undefined;
  private last: Deadline | undefined;
  private timer: Subscription | undefined;

  constructor(private readonly timeoutMs: number) {}

  /**
   * Runs `expire` when the timeout has passed.
   *
   * @returns a function that cancels the deadline
   */
  set(expire: Expire): () => void {
    const entry = new Expiry(expire);
    this.add(entry);
    return () => this.delete(entry);
  }

  /** Adds a deadline as {@link set} does, but without a closure for each call. */
  add(entry: Deadline, now = monotonicNow()): void {
    entry.dueAt = now + this.timeoutMs;
    this.append(entry);
    this.timer ??= this.arm(this.timeoutMs);
  }

  /** Cancels a deadline. */
  delete(entry: Deadline): void {
    if (entry.list !== this) return;
    this.remove(entry);
    if (this.first !== undefined) return;
    this.timer?.unsubscribe();
    this.timer = undefined;
  }

  /** Makes all deadlines expire now, before their time. */
  expireAll(): void {
    const entries = this.takeDue(Infinity);
    this.timer?.unsubscribe();
    this.timer = undefined;
    expireEach(entries, true);
  }

  private arm(ms: number): Subscription {
    return scheduleTimeout(ms, () => {
      const now = monotonicNow();
      const due = this.takeDue(now);
      // The timer was set for a deadline that was cancelled meanwhile, so it is set for the oldest one that is left.
      // The new timer is set before any deadline expires, as the end of a call may begin another call. The other call
      // must find the timer, or it would set a second one.
      this.timer = this.first === undefined ? undefined : this.arm(this.first.dueAt - now);
      expireEach(due, false);
    });
  }

  /** Removes the deadlines that are due, and returns them, the oldest first. */
  private takeDue(now: number): readonly Deadline[] {
    const due: Deadline[] = [];
    for (let entry = this.first; entry !== undefined && entry.dueAt <= now; entry = this.first) {
      this.remove(entry);
      due.push(entry);
    }
    return due;
  }

  private append(entry: Deadline): void {
    entry.list = this;
    entry.before = this.last;
    if (this.last === undefined) this.first = entry;
    else this.last.after = entry;
    this.last = entry;
  }

  /**
   * Removes an entry, and its references to other entries. With these references, an old entry that awaits garbage
   * collection would keep all later entries alive.
   */
  private remove(entry: Deadline): void {
    const { before, after } = entry;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.last = before;
    else after.before = before;
    entry.list = entry.before = entry.after = undefined;
  }
}

/**
 * The maximum number of functions in a turn. Each takes some microseconds, so together they block the event loop for a
 * few milliseconds.
 */
const WORKS_PER_TURN = 500;

/**
 * Spreads work over turns of the event loop. Work that fits into the current turn runs at once. Other work follows in
 * later turns, in the order in which it was given. One event can concern all watches of a client, and could block the
 * event loop for seconds if its work were not spread.
 */
export class Pacer {
  private readonly waiting = new Queue<() => void>();
  /** The number of functions that have run in this turn. */
  private count = 0;

  run(work: () => void): void {
    if (this.count >= WORKS_PER_TURN || this.waiting.size > 0) return this.waiting.add(work);
    if (this.count === 0) atEndOfTurn(this.onNextTurn);
    this.count += 1;
    work();
  }

  private readonly onNextTurn = (): void => {
    this.count = Math.min(this.waiting.size, WORKS_PER_TURN);
    if (this.count === 0) return;
    atEndOfTurn(this.onNextTurn);
    for (let left = this.count; left > 0; left--) this.waiting.take()?.();
  };
}

/** The options for the pauses between attempts. The pauses double up to a limit. */
export interface BackoffOptions {
  /** The longest first pause, in milliseconds. */
  readonly initialMs: number;
  /** The longest of all pauses, in milliseconds. */
  readonly maxMs: number;
  /**
   * The largest part of a pause, from 0 to 1, by which it is shortened at random. Random pauses prevent many clients
   * from retrying at the same time.
   */
  readonly jitter: number;
  /** Returns a number from 0 to 1; `Math.random` by default. */
  readonly random?: () => number;
}

/** Returns the pause after a failure, in milliseconds. `failuresBefore` is 0 for the first failure in a row. */
export function backoffMs(failuresBefore: number, { initialMs, maxMs, jitter, random = Math.random }: BackoffOptions): number {
  // After 31 doublings, a pause of one millisecond has reached any limit. Without this bound, 0 * Infinity would be
  // NaN.
  const longest = Math.min(maxMs, initialMs * 2 ** Math.min(failuresBefore, 31));
  // The pause is a whole number, as virtual time never reaches a fraction of a millisecond.
  return Math.round(longest * (1 - jitter * random()));
}

/** Counts failures in a row, and calculates the pause after each failure with {@link backoffMs}. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly initialMs: number,
    private readonly maxMs: number,
    private readonly jitter = 0.5,
  ) {}

  /** Returns the pause after another failure. */
  next(): number {
    const { initialMs, maxMs, jitter } = this;
    return backoffMs(this.failures++, { initialMs, maxMs, jitter, random: () => 1 - Math.random() });
  }

  /** Resets the count after a success. The next pause is then the first one again. */
  reset(): void {
    this.failures = 0;
  }
}

/**
 * Subscribes to the source again after an error.
 *
 * @param pauseMs returns the pause before the next attempt, in milliseconds; undefined for an error that is passed on.
 * `attempts` is the number of failed attempts, from 1
 */
export function retryAfter<T>(pauseMs: (error: unknown, attempts: number) => number | undefined): MonoTypeOperatorFunction<T> {
  return retry({
    delay: (error: unknown, attempts) => {
      const ms = pauseMs(error, attempts);
      return ms === undefined ? throwError(() => error) : timer(ms);
    },
  });
}
