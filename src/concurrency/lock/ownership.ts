import {
  asyncScheduler,
  defer,
  EMPTY,
  NEVER,
  Observable,
  type Observer,
  type Subscriber,
  type Subscription,
  switchMap,
  type Unsubscribable,
} from 'rxjs';
import { EtcdError, hasReason, isEtcdError, type Reason } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { takeUntilClosed } from '../../util/closedSignal.js';
import { clientClosed } from '../../util/rx.js';
import { monotonicNow } from '../../util/time.js';
import type { LeaseId } from '../../model/ids.js';
import { checkName, LEASE, type OptionKinds, WHOLE } from '../../model/validate.js';
import { type Detachable, LightObservable } from '../../util/lightObservable.js';
import { retryTransient } from '../../watch/retryable.js';
import type { ConcurrencyContext } from '../context.js';
import { acquireWithCompensation } from '../lease/acquisition.js';
import type { HeldLease, LeaseEvent } from '../lease/leaseKeeper.js';
import { heldLease } from '../lease/lease.js';
import { checkUnderLease, DEFAULT_SESSION_TTL, endOf, errorAtEnd, isReleasedWith, SESSION, type Session } from '../lease/session.js';
import {
  dequeue,
  enqueue,
  enqueueOrReplace,
  keyDeleted,
  waiterKey,
  type WaiterEntry,
  waitForOwnership,
  whenDeleted,
} from './waiterQueue.js';

/** The options for the lease of an ownership. */
export interface SessionOptions {
  /**
   * The TTL of the lease behind the ownership, in seconds: 60 by default, as with `etcdctl`. If the owner crashes, it
   * remains the owner for up to that time.
   */
  readonly ttl?: number;
  /**
   * An existing lease to use instead of a new one. The client neither refreshes nor revokes it. The end of this lease
   * is detected only when the server deletes the key, and `alive` does not check the TTL. Two callers that pass the
   * same lease for the same name share one key, and both are owners.
   */
  readonly lease?: LeaseId;
  /**
   * A session whose lease is used instead of a new one. Many ownerships can share the lease of a session. The ownership
   * errors with `LockLost` as soon as the session ends or is lost, and with `LeaseLost` if the session had ended
   * before. Two callers that pass the same session for the same name share one key, and both are owners.
   */
  readonly session?: Session;
}

export const SESSION_OPTIONS: OptionKinds<SessionOptions> = { ttl: WHOLE, lease: LEASE, session: SESSION };

/** The entry of a waiter or an owner, with the state of its lease. */
export interface HeldEntry extends WaiterEntry {
  /**
   * Returns whether the entry certainly exists. It also reads the clock, as a process that was suspended may call it
   * before its timers run.
   */
  readonly alive: () => boolean;
}

/**
 * A function that waits for the ownership. Its Observable emits the entry with `isOwner` when the entry owns the lock.
 * It errors with `LockLost` if the key of the entry was deleted meanwhile. Each recipe decides for which keys an entry
 * waits.
 */
export type WaitStrategy = (context: ConcurrencyContext, entry: WaiterEntry) => Observable<WaiterEntry>;

/** The queue to enter, the value of the entry, and the condition for the ownership. */
export interface AcquireRequest {
  /** The name of the queue: the prefix of its keys, without the slash. */
  readonly name: string;
  /**
   * The value of the key. If the caller passed a lease or a session, the key may exist already. Its value is then
   * replaced, as by etcd's Go client, which proclaims the value in this case. Without `value` the key is created
   * without a value, and an existing key is left unchanged.
   */
  readonly value?: BytesLike;
  /** The condition for the ownership. By default it is that of a lock: the queue has no earlier entry. */
  readonly wait?: WaitStrategy;
}

/**
 * Enters a queue. Emits the entry when it has to wait, and again (with `isOwner`) when it owns the lock. Errors with
 * `LockLost` as soon as the entry is no longer certain to exist. Unsubscribing deletes the entry. The reentrant lock
 * detects its loss in `reentrantLock.ts`.
 */
export function enterQueue(request: AcquireRequest, options: SessionOptions, context: ConcurrencyContext): Observable<HeldEntry> {
  return new LightObservable((observer) => {
    checkName('a lock or an election', request.name);
    checkUnderLease('a lock or an election', options);
    return new QueueSession(request, options, context, observer).start();
  });
}

/**
 * The time for which an ownership that was acquired without a wait is held before its key is watched, in milliseconds.
 * The watch begins at the revision of the entry, so that it also reports a deletion in the meantime. Most locks are
 * released sooner, and need only a grant, a txn and a revoke.
 */
const WATCH_AFTER_MS = 50;

/** The maximum number of attempts to find and delete a key whose put was pending when the caller unsubscribed. */
const LATE_ATTEMPTS = 3;

/**
 * The life of one queue entry, from the grant of its lease until its release. A program may have thousands of waiters.
 * To save memory, this is one object instead of a pipeline of operators, each of which would need several objects.
 */
class QueueSession implements Observer<LeaseEvent>, Detachable<HeldEntry> {
  private lease: Pick<HeldLease, 'alive'> | undefined;
  private owned = false;
  private over = false;
  /** The time at which the waiter entered the queue, or became the owner. */
  private since = 0;
  /** The subscription to the lease of this waiter, or to the end of the session whose lease is used. */
  private holding: Unsubscribable | undefined;
  /**
   * The subscription that enters the queue. If the caller passed a lease or a session, this subscription also holds the
   * entry.
   */
  private entering: Unsubscribable | undefined;
  private waiting: Unsubscribable | undefined;
  private deletion: Unsubscribable | undefined;

  constructor(
    private readonly request: AcquireRequest,
    private readonly options: SessionOptions,
    private readonly context: ConcurrencyContext,
    private readonly observer: Observer<HeldEntry>,
  ) {}

  readonly error = (failure: unknown): void => this.endAsLost(failure);

  start(): this {
    const { lease, session, ttl = DEFAULT_SESSION_TTL } = this.options;
    if (session !== undefined) this.enterWithSession(session);
    else if (lease !== undefined) this.enterWithLease(lease);
    else this.enterWithOwnLease(ttl);
    return this;
  }

  detach(): void {
    this.over = true;
    this.holding?.unsubscribe();
    this.entering?.unsubscribe();
    this.waiting?.unsubscribe();
    this.deletion?.unsubscribe();
  }

  /** Uses the lease of a session. The ownership ends when the session ends. */
  private enterWithSession(session: Session): void {
    const { observer, context } = this;
    const end = endOf(session);
    if (end !== undefined) return observer.error(end);
    this.lease = session;
    this.holding = this.unlessOver(errorAtEnd(session, context.closed).subscribe({ error: this.error }));
    this.enterWithLease(session.lease);
  }

  /** Grants a lease. The ownership ends when the lease ends. Revoking the lease deletes the entry. */
  private enterWithOwnLease(ttl: number): void {
    this.holding = this.unlessOver(heldLease({ ttl }, this.context).subscribe(this));
  }

  /** Handles an event of the lease that was granted here. */
  next(event: LeaseEvent): void {
    if (event.type !== 'granted') return;
    const { context, request, error } = this;
    this.lease = event.lease;
    const entering = retryTransient(enqueue(context.kv, request.name, event.id, request.value ?? ''), context.settings);
    this.entering = this.unlessOver(entering.subscribe({ next: (entry) => this.hold(entry), error }));
  }

  /** Completes the ownership, as the client is closed. The lease or the entry has completed for the same reason. */
  complete(): void {
    this.observer.complete();
  }

  /**
   * Uses a lease of the caller. The entry must be deleted when the subscription ends, as the lease may exist longer
   * than the ownership.
   */
  private enterWithLease(lease: LeaseId): void {
    const { context, request } = this;
    const { kv, cleanup, closed } = context;
    const key = waiterKey(request.name, lease);
    const entering = acquireWithCompensation<WaiterEntry, never>({
      // An earlier release of the same key may still be pending. Without the wait, the key would be found and owned,
      // and then deleted by that release.
      acquire: (hasLeft) => cleanup.whenReleased(key).pipe(switchMap(() => this.put(lease, hasLeft))),
      use: (entry) => {
        this.hold(entry);
        return NEVER;
      },
      release: (entered) => {
        if (!isReleasedWith(this.options.session)) cleanup.run(entered, (entry) => dequeue(kv, entry), { key }, key);
      },
    });
    this.entering = this.unlessOver(entering.pipe(takeUntilClosed(closed)).subscribe(this));
  }

  private put(lease: LeaseId, hasLeft: () => boolean): Observable<WaiterEntry> {
    const { kv, settings } = this.context;
    const { name, value } = this.request;
    const put = value === undefined ? enqueue(kv, name, lease, '') : enqueueOrReplace(kv, name, lease, value);
    let lateAttempts = LATE_ATTEMPTS;
    let begun = false;
    const attempt = defer(() => {
      if (hasLeft() && (!begun || lateAttempts-- <= 0)) return EMPTY;
      begun = true;
      return put;
    });
    return retryTransient(attempt, settings);
  }

  /** Waits until the entry owns the lock, and detects at any time that the entry is lost. */
  private hold(entry: WaiterEntry): void {
    const { context, error, request } = this;
    const { wait = waitForOwnership } = request;
    if (!entry.isOwner) this.emit(entry);
    this.waiting = this.unlessOver(wait(context, entry).subscribe({ next: (owner) => this.emit(owner), error }));
    if (this.over) return;
    if (entry.isOwner) this.deletion = asyncScheduler.schedule(() => this.watchDeletion(entry), WATCH_AFTER_MS);
    else this.watchDeletion(entry);
  }

  private watchDeletion(entry: WaiterEntry): void {
    const { key, revision: createRevision, observedRevision } = entry;
    const deletion = whenDeleted(this.context, key, { createRevision, observedRevision });
    this.deletion = this.unlessOver(deletion.subscribe({ next: () => this.endAsLost(keyDeleted(entry)), error: this.error }));
  }

  /** Unsubscribes if this waiter has already ended. It may have ended before the subscription was returned. */
  private unlessOver(subscription: Unsubscribable): Unsubscribable {
    if (this.over) subscription.unsubscribe();
    return subscription;
  }

  private emit(entry: WaiterEntry): void {
    if (!this.over) this.report(entry);
    this.owned ||= entry.isOwner;
    this.observer.next({ ...entry, alive: () => !this.over && this.lease?.alive !== false });
  }

  private report({ key, isOwner }: WaiterEntry): void {
    const { diagnostics } = this.context;
    const now = monotonicNow();
    const { name } = this.request;
    if (diagnostics?.active === true) {
      const waitedMs = this.since === 0 ? 0 : now - this.since;
      if (isOwner && !this.owned) diagnostics.emit({ type: 'lockAcquired', name, key, waitedMs });
      if (!isOwner) diagnostics.emit({ type: 'lockWaiting', name, key });
    }
    if (this.since === 0 || isOwner) this.since = now;
  }

  private endAsLost(error: unknown): void {
    const { diagnostics } = this.context;
    if (diagnostics?.active === true && this.owned && !this.over) {
      diagnostics.emit({ type: 'lockLost', name: this.request.name, heldMs: monotonicNow() - this.since, error });
    }
    // `over` is set before the error is passed on, as a subscriber may read `alive` when it receives the error.
    this.over = true;
    // If a lease of the caller does not exist, `LeaseNotFound` is reported unchanged.
    const losses: readonly Reason[] = this.options.lease === undefined ? ['LeaseLost', 'LeaseNotFound'] : [];
    this.observer.error(toLockLost(this.request.name, this.owned, losses, error));
  }
}

/**
 * Emits the owner when an entry owns the lock. If etcd cannot be reached at first, the attempt is repeated. A failure
 * after the first entry is passed on unchanged. Errors with `ClientClosed` if the entries complete before there is an
 * owner.
 *
 * @param entries the entries of {@link enterQueue}; subscribed to again after each failure
 */
export const acquire = <T>(entries: Observable<HeldEntry>, context: ConcurrencyContext, toOwner: (entry: HeldEntry) => T): Observable<T> =>
  new LightObservable((observer) => new OwnerWait(toOwner, observer).begin(entries, context));

class OwnerWait<T> implements Observer<HeldEntry>, Detachable<T> {
  /**
   * The attempt to get the first entry. When the first entry has arrived, the attempt and its retries are released from
   * memory.
   */
  private attempt: Subscriber<never> | undefined;
  private attempts: Subscription | undefined;
  private held: Subscription | undefined;
  private entered = false;
  private owned = false;
  private left = false;

  constructor(
    private readonly toOwner: (entry: HeldEntry) => T,
    private readonly observer: Observer<T>,
  ) {}

  begin(entries: Observable<HeldEntry>, { settings, closed }: ConcurrencyContext): this {
    const firstEntry = new Observable<never>((attempt) => {
      this.attempt = attempt;
      this.held = entries.subscribe(this);
      if (this.left) this.held.unsubscribe();
    });
    const error = (failure: unknown): void => this.observer.error(failure);
    const complete = (): void => {
      // The client was closed, perhaps during a pause before a retry. No other Observable completes in that case.
      if (!this.entered) this.complete();
    };
    const attempts = retryTransient(firstEntry, settings).pipe(takeUntilClosed(closed)).subscribe({ error, complete });
    if (this.left) attempts.unsubscribe();
    else if (!attempts.closed) this.attempts = attempts;
    return this;
  }

  next(entry: HeldEntry): void {
    const { attempt, observer, toOwner } = this;
    this.attempt = this.attempts = undefined;
    this.entered = true;
    attempt?.complete();
    if (!entry.isOwner) return;
    this.owned = true;
    observer.next(toOwner(entry));
  }

  error(failure: unknown): void {
    (this.attempt ?? this.observer).error(failure);
  }

  complete(): void {
    if (this.owned) this.observer.complete();
    else this.observer.error(clientClosed());
  }

  detach(): void {
    this.left = true;
    this.attempts?.unsubscribe();
    this.held?.unsubscribe();
  }
}

/**
 * Converts an error of an ownership to `LockLost`. During the ownership, any error counts as a loss. For example, if
 * the server denies the watch of the key, the client cannot detect the deletion of the key. Errors before the ownership
 * are returned unchanged.
 *
 * @param losses the reasons that count as a loss even before the ownership
 */
export function toLockLost(name: string, owned: boolean, losses: readonly Reason[], error: unknown): unknown {
  if (!isEtcdError(error) || error.reason === 'LockLost' || !(owned || hasReason(error, ...losses))) return error;
  return new EtcdError('LockLost', `the ownership of ${JSON.stringify(name)} is no longer certain: ${error.message}`, { cause: error });
}
