import { AsyncSubject, BehaviorSubject, defer, filter, type Observable, of, race, repeat, take, tap, timer } from 'rxjs';
import { EtcdError, hasReason, isEtcdError } from '../../errors/index.js';
import type { LeaseId } from '../../model/ids.js';
import { backoffMs, retryAfter } from '../../util/time.js';
import { noteRelease, type PendingRelease } from '../../util/releases.js';
import { isRetryable } from '../../watch/retryable.js';

/**
 * A lease or a key that `close()` could not release. A key under a lease is deleted together with the lease, at the
 * latest when the TTL has passed.
 */
export interface Unreleased {
  /** The lease that may still exist on the server; undefined for a key that is under no lease of this client. */
  readonly lease: LeaseId | undefined;
  /**
   * The key that may still exist, such as the queue entry of a lock. For an item of a queue that could not be put back,
   * it is the key that may be missing.
   */
  readonly key: string | undefined;
  /** The cause of the failure; undefined if the release had not ended when `close()` stopped waiting. */
  readonly error: EtcdError | undefined;
}

/** The result of `close()`. */
export interface CloseSummary {
  /**
   * The number of leases that were released since `close()` was called. It includes keys under leases that the caller
   * passed.
   */
  readonly released: number;
  /**
   * The leases and keys that may still exist on the server. They include those whose release began before `close()` and
   * had not ended.
   */
  readonly unreleased: readonly Unreleased[];
}

/** The lease or key that a release concerns. */
export type ReleaseTarget = Partial<Pick<Unreleased, 'lease' | 'key'>>;

/** The maximum number of releases that are sent at a time. It is enough to use all connections to several endpoints. */
const MAX_AT_A_TIME = 512;
/**
 * `close()` stops waiting if no release was confirmed for this time, in milliseconds. If `QUIET_PART` of the timeout is
 * longer, that time is used instead.
 */
const LEAST_QUIET_MS = 2_000;
const QUIET_PART = 1 / 5;

/** A release that has not ended. */
class Release implements PendingRelease {
  failure: EtcdError | undefined;
  work: Observable<unknown> | undefined;
  /** The next release that waits to be sent. */
  next: Release | undefined;
  private readonly over = new AsyncSubject<void>();

  constructor(
    readonly target: ReleaseTarget,
    readonly place: string | undefined,
  ) {}

  /** Emits once when the release has ended. */
  get ended(): Observable<void> {
    return this.over;
  }

  end(): void {
    this.over.next();
    this.over.complete();
  }
}

/**
 * The releases of leases, locks and similar resources on the server, after the end of their subscription. Releases are
 * sent in parallel, up to a limit. `close()` waits for them.
 */
export class CleanupTracker {
  private readonly pending = new Set<Release>();
  private readonly count = new BehaviorSubject(0);
  private readonly byPlace = new Map<string, Release>();
  private first: Release | undefined;
  private last: Release | undefined;
  private sending = 0;
  private isSending = false;
  private closing = false;
  private timeOver = false;
  private released = 0;
  private readonly failed: Unreleased[] = [];

  /**
   * Releases a lease or a key. A failure harms no other client, as the lease expires by itself.
   *
   * @param held emits the lease or key when it is known. It completes without a value, or fails, if there is nothing to
   * release
   * @param release returns the call that releases the lease or key; undefined if there is nothing to release
   * @param place a name for the lease or key; needed if a later acquisition must wait for this release
   */
  run<T>(held: Observable<T>, release: (held: T) => Observable<unknown> | undefined, target: ReleaseTarget, place?: string): void {
    const entry = new Release(target, place);
    if (place !== undefined) this.byPlace.set(place, entry);
    this.pending.add(entry);
    this.count.next(this.pending.size);
    noteRelease(entry);
    held.subscribe({
      next: (value) => {
        entry.work = release(value);
      },
      // Only a write with unknown outcome may have created a lease or key that now remains on the server.
      error: (error: unknown) => this.end(entry, hasReason(error, 'AmbiguousWrite') ? error : undefined),
      complete: () => (entry.work === undefined ? this.end(entry) : this.enqueue(entry)),
    });
  }

  /** Emits once when no release under this name is in progress, whether the last one succeeded or failed. */
  whenReleased(place: string): Observable<void> {
    return this.byPlace.get(place)?.ended ?? of(undefined);
  }

  /**
   * Emits once when everything is released, when the timeout has passed, or when the server stops confirming releases.
   * The {@link summary} counts only the releases that end after the subscription to this Observable.
   */
  settled(timeoutMs: number): Observable<unknown> {
    return defer(() => {
      this.closing = true;
      this.released = 0;
      const done = this.count.pipe(filter((count) => count === 0));
      const limits = timeoutMs === Infinity ? [] : [timer(timeoutMs), this.quiet(timeoutMs)];
      return race(done, ...limits).pipe(
        take(1),
        tap(() => (this.timeOver = true)),
      );
    });
  }

  /** Emits when the server has not confirmed any release for a part of the timeout. */
  private quiet(timeoutMs: number): Observable<unknown> {
    const quietMs = Math.max(LEAST_QUIET_MS, timeoutMs * QUIET_PART);
    return defer(() => {
      const before = this.released;
      return timer(quietMs).pipe(filter(() => this.released === before));
    }).pipe(repeat());
  }

  /**
   * Returns how many releases have succeeded since {@link settled} was subscribed to, and lists those that failed or
   * are pending.
   */
  summary(): CloseSummary {
    return { released: this.released, unreleased: [...this.failed, ...[...this.pending].map(({ target }) => unreleased(target))] };
  }

  private enqueue(entry: Release): void {
    if (this.last === undefined) this.first = entry;
    else this.last.next = entry;
    this.last = entry;
    this.send();
  }

  /**
   * Sends waiting releases, up to the limit. A release may end during its subscription and call this method again, so a
   * loop is used instead of recursion.
   */
  private send(): void {
    if (this.isSending) return;
    this.isSending = true;
    for (let entry = this.first; entry !== undefined && this.sending < MAX_AT_A_TIME && !this.timeOver; entry = this.first) {
      this.first = entry.next;
      if (this.first === undefined) this.last = undefined;
      entry.next = undefined;
      this.sendOne(entry);
    }
    this.isSending = false;
  }

  private sendOne(entry: Release): void {
    this.sending += 1;
    const sent = (error?: EtcdError): void => {
      this.sending -= 1;
      this.end(entry, error);
      this.send();
    };
    entry.work?.subscribe({
      error: (error: unknown) => sent(isEtcdError(error) ? error : new EtcdError('Unknown', String(error))),
      complete: () => {
        this.released += 1;
        sent();
      },
    });
  }

  private end(entry: Release, error?: EtcdError): void {
    const { place, target } = entry;
    this.pending.delete(entry);
    if (error !== undefined && this.closing) this.failed.push(unreleased(target, this.timeOver ? undefined : error));
    if (place !== undefined && this.byPlace.get(place) === entry) this.byPlace.delete(place);
    this.count.next(this.pending.size);
    entry.failure = error;
    entry.end();
  }
}

const unreleased = ({ lease, key }: ReleaseTarget, error?: EtcdError): Unreleased => ({ lease, key, error });

const MAX_ATTEMPTS = 5;
/** The pauses between attempts. They have no random part, as `close()` waits for the releases. */
const PAUSES = { initialMs: 100, maxMs: Infinity, jitter: 0 };

/**
 * Retries a release that may be carried out twice. If a release was lost with its connection and not retried, the next
 * waiter would wait until the lease expires.
 */
export function retryCleanup<T>(release: Observable<T>): Observable<T> {
  return repeatedWhile(isRetryable, release);
}

/**
 * Retries a release that could harm another client if it were carried out twice. So the release is sent again only if
 * no earlier attempt can have been carried out.
 */
export function sentOnce<T>(release: Observable<T>): Observable<T> {
  return repeatedWhile((error) => isRetryable(error) && error.reason !== 'AmbiguousWrite', release);
}

function repeatedWhile<T>(mayRepeat: (error: EtcdError) => boolean, release: Observable<T>): Observable<T> {
  return release.pipe(
    retryAfter((error, attempts) =>
      attempts < MAX_ATTEMPTS && isEtcdError(error) && mayRepeat(error) ? backoffMs(attempts - 1, PAUSES) : undefined,
    ),
  );
}
