import { Queue } from './queue.js';
import { asapScheduler, asyncScheduler, type MonoTypeOperatorFunction, retry, type Subscription, throwError, timer } from 'rxjs';

/** Reads the monotonic clock. A variable costs no more than a direct call. */
// eslint-disable-next-line no-restricted-properties -- the only place that reads it
let readMonotonic = (): number => performance.now();
/** Reads the real wall clock. Unlike RxJS's clock, it is not replaced by TestScheduler. */
// eslint-disable-next-line no-restricted-properties -- RxJS's clock is compared with it
const wallClock = (): number => Date.now();
let followsRxjs = false;

/**
 * Returns milliseconds since a fixed moment, by a clock that is never set. If the wall clock were set forward, a
 * deadline or a pause would be over at once. If it were set back by an hour, they would last an hour longer.
 */
export const monotonicNow = (): number => readMonotonic();

/**
 * Makes every client of this process measure time by RxJS's clock alone. `TestScheduler.run` moves that clock and the
 * timers of RxJS, but not `performance.now`. Fake timers always replace `Date`, and some libraries replace nothing
 * else.
 */
export function followRxjsTime(): void {
  if (followsRxjs) return;
  followsRxjs = true;
  // The clock continues from its current time, so that no pending timer becomes due. The frames of a TestScheduler
  // begin with 0, and are used unchanged.
  const origin = Math.round(wallClock() - readMonotonic());
  readMonotonic = () => {
    const wall = asyncScheduler.now();
    return wall < origin ? wall : wall - origin;
  };
}

/** The largest difference of two immediate readings of the wall clock, in milliseconds. */
const SAME_CLOCK_MS = 1_000;

/** Returns whether the time of RxJS is virtual, in a process that follows it: whether this is `TestScheduler.run`. */
export function isTimeVirtual(): boolean {
  return followsRxjs && Math.abs(asyncScheduler.now() - wallClock()) > SAME_CLOCK_MS;
}

/** A time by the wall clock and by the monotonic clock. */
export interface Timestamp {
  readonly wall: number;
  readonly monotonic: number;
}

/** Reads both clocks. */
export function now(): Timestamp {
  return { wall: asyncScheduler.now(), monotonic: monotonicNow() };
}

/**
 * Returns the milliseconds since a timestamp, by the clock that shows more. The wall clock may be set back, and the
 * monotonic one stands still while a machine sleeps. Neither must make a lease seem valid for longer than it is.
 */
export function elapsedSince(then: Timestamp): number {
  return Math.max(asyncScheduler.now() - then.wall, monotonicNow() - then.monotonic);
}

/** The normal difference of the clocks, as one shows whole milliseconds and they are read one after the other. */
const JITTER_MS = 5;

/**
 * Measures time as {@link elapsedSince} does, for repeated comparisons. The measured time never goes back. If the wall
 * clock is set forward and back again, that counts once.
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
    // One clock was set or stood still. The larger time counts, and both clocks count again from here on.
    if (Math.abs(byWall - byMonotonic) > JITTER_MS) {
      this.origin = { wall, monotonic };
      this.passed = total;
    }
    return total;
  }
}

/** The lateness of a timer above which the process was busy with something else, in milliseconds. */
const LATE_MS = 10;

/**
 * Runs `giveUp` when nothing has arrived for this many milliseconds. While a program computes, sockets and timers wait,
 * and timers run first. So after a late timer, the data that has arrived is read before the other end counts as
 * unresponsive.
 */
export function scheduleTimeout(ms: number, giveUp: () => void): Subscription {
  const dueAt = monotonicNow() + ms;
  return asyncScheduler.schedule<boolean>(
    function (hasRead = false) {
      if (hasRead || monotonicNow() - dueAt <= LATE_MS) giveUp();
      else this.schedule(true, 0);
    },
    ms,
    false,
  );
}

/** The parts of a host that end a turn: Node has the first, a browser the second, jsdom neither. */
const host = globalThis as { readonly setImmediate?: (run: () => void) => unknown; readonly MessageChannel?: unknown };

/** A channel of messages to oneself, as browsers have it. */
type OwnChannel = new () => { readonly port1: { onmessage: () => void }; readonly port2: { postMessage(message: unknown): void } };

/**
 * Runs a function once all events of this turn of the event loop have been handled. It runs after the responses that
 * arrived together, before any later response, and without a pause. In virtual time it runs in the same frame.
 */
export function atEndOfTurn(run: () => void): void {
  // Not asapScheduler: a TestScheduler fails if one of its tasks cancels a timer that is due in the same frame.
  if (isTimeVirtual()) asyncScheduler.schedule(run);
  else if (host.setImmediate !== undefined) host.setImmediate(run);
  else if (host.MessageChannel !== undefined) afterMessages(run);
  else asapScheduler.schedule(run);
}

const afterMessages = byMessage();

/** Runs each function in a separate task. In a browser only messages are such tasks without a pause. */
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

/** Called when a deadline expires. `early` means that all deadlines expire before their time. */
type Expire = (early: boolean) => void;

/** A deadline at a time that {@link SharedTimeout} sets. The object is also its own entry in the list of deadlines. */
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

/**
 * Keeps deadlines of calls that all get the same time. They are due in the order in which they were set, so that one
 * timer, for the oldest, is enough for all. A separate timer for each call would cost 0.35 us more. There is no timer
 * while no call is in progress, so it keeps no process alive.
 */
export class SharedTimeout {
  /**
   * A list that links the entries themselves. The outgrown tables of a Set would keep entries alive until the tables
   * are collected. Measured at 64 calls at a time, garbage collection took 3 us a call more with a Set.
   */
  private first: Deadline | undefined;
  private last: Deadline | undefined;
  private timer: Subscription | undefined;

  constructor(private readonly timeoutMs: number) {}

  /**
   * Runs `expire` when the time is over.
   * @returns a function that cancels it
   */
  set(expire: Expire): () => void {
    const entry = new Expiry(expire);
    this.add(entry);
    return () => this.delete(entry);
  }

  /** Does the same as {@link set} without a closure for each call. */
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

  /** Expires all deadlines, before their time. */
  expireAll(): void {
    const entries = this.takeDue(Infinity);
    this.timer?.unsubscribe();
    this.timer = undefined;
    for (const entry of entries) entry.expire(true);
  }

  private arm(ms: number): Subscription {
    return scheduleTimeout(ms, () => {
      const now = monotonicNow();
      const due = this.takeDue(now);
      // Many deadlines were cancelled since the timer was set, so it is set again for the oldest that is left. This is
      // done before anything expires, as the end of one call may begin another call. Otherwise the new call would find
      // no timer, and set a second one.
      this.timer = this.first === undefined ? undefined : this.arm(this.first.dueAt - now);
      for (const entry of due) entry.expire(false);
    });
  }

  /** Takes out the entries that are due, the oldest first. */
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
   * Removes an entry, which then points to no other. An old entry that awaits garbage collection would keep alive all
   * entries that follow it.
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
 * The maximum number of pieces of work in a turn. Each takes some microseconds, so together they block the event loop
 * for a few milliseconds.
 */
const WORKS_PER_TURN = 500;

/**
 * Spreads work over turns of the event loop. Work that fits into the current turn runs at once; other work follows in
 * later turns, in the order in which it was given. One event can concern all watches of a client, and would block the
 * loop for seconds otherwise.
 */
export class Pacer {
  private readonly waiting = new Queue<() => void>();
  /** Counts what was run in this turn. */
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

/** The pauses between attempts, which double up to a limit. */
export interface BackoffOptions {
  /** The longest first pause, in milliseconds. */
  readonly initialMs: number;
  /** The longest of all pauses, in milliseconds. */
  readonly maxMs: number;
  /**
   * The maximum share, from 0 to 1, by which a pause is shortened at random. Random pauses prevent many clients from
   * retrying at the same time.
   */
  readonly jitter: number;
  /** Returns a number from 0 to 1; `Math.random` by default. */
  readonly random?: () => number;
}

/** Returns the pause after a failure, in milliseconds. `failuresBefore` is 0 for the first failure in a row. */
export function backoffMs(failuresBefore: number, { initialMs, maxMs, jitter, random = Math.random }: BackoffOptions): number {
  // With 2^31, any pause of a millisecond has reached the limit. The bound prevents 0 * Infinity, which is NaN.
  const longest = Math.min(maxMs, initialMs * 2 ** Math.min(failuresBefore, 31));
  // A whole number, as a fraction of a millisecond would be awaited forever in virtual time.
  return Math.round(longest * (1 - jitter * random()));
}

/** Counts failures in a row, and computes the pause after each with {@link backoffMs}, shortened by `jitter`. */
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

  /** Starts over after a success: the next pause is the first again. */
  reset(): void {
    this.failures = 0;
  }
}

/**
 * Subscribes to the source again after an error.
 *
 * @param pauseMs returns the pause before that, in milliseconds; undefined for an error that is passed on. `attempts`
 * is the number of failed attempts, from 1
 */
export function retryAfter<T>(pauseMs: (error: unknown, attempts: number) => number | undefined): MonoTypeOperatorFunction<T> {
  return retry({
    delay: (error: unknown, attempts) => {
      const ms = pauseMs(error, attempts);
      return ms === undefined ? throwError(() => error) : timer(ms);
    },
  });
}
