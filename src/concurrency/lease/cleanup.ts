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
   * The key that may still exist, such as the queue entry of a lock. For an item of a queue it is the key that may be
   * missing.
   */
  readonly key: string | undefined;
  /** The cause of the failure; undefined if the release had not ended when the timeout of `close()` had passed. */
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
const MOST_AT_A_TIME = 512;
/**
 * The minimum time without a confirmed release after which `close()` gives up, in milliseconds. The time is
 * `QUIET_PART` of the timeout if that is longer.
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
 * Releases leases, locks and the like on the server after their subscriber has left. Releases are sent in parallel, up
 * to a limit. A client that is closed waits for them.
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
   * @param place names the lease or key, if it may be acquired again, and must be released before that
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
      // Only a write of unknown outcome can leave a lease or key on the server.
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
   * The summary counts the releases that end after the subscription to it.
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

  /** Returns the releases since {@link settled} was subscribed to, and those that failed or have not ended. */
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
   * Sends waiting releases, up to the limit. It uses a loop, as a release that ends during its subscription starts the
   * next one.
   */
  private send(): void {
    if (this.isSending) return;
    this.isSending = true;
    for (let entry = this.first; entry !== undefined && this.sending < MOST_AT_A_TIME && !this.timeOver; entry = this.first) {
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
/** The pauses have no random part, as `close()` waits for the releases. */
const PAUSES = { initialMs: 100, maxMs: Infinity, jitter: 0 };

/**
 * Retries a release that may be carried out twice. Without a retry, the next waiter would have to wait until the lease
 * expires if a connection is lost.
 */
export function retryCleanup<T>(release: Observable<T>): Observable<T> {
  return repeatedWhile(isRetryable, release);
}

/**
 * Retries a release that could harm another client if it were carried out twice. So it is retried only while it is
 * certain that it was not carried out.
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
