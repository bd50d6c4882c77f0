import { asyncScheduler, defer, EMPTY, NEVER, Observable, type Subscriber, switchMap, takeUntil } from 'rxjs';
import { EtcdError, hasReason, isEtcdError, type Reason } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { clientClosed } from '../../util/rx.js';
import { monotonicNow } from '../../util/time.js';
import type { LeaseId } from '../../model/ids.js';
import { checkName, LEASE, type OptionKinds, WHOLE } from '../../model/validate.js';
import { retryTransient } from '../../watch/retryable.js';
import type { ConcurrencyContext } from '../context.js';
import { acquireWithCompensation } from '../lease/cleanup.js';
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

/** The lease behind an ownership. */
export interface SessionOptions {
  /**
   * The TTL of the lease behind the ownership, in seconds: 60 by default, as with `etcdctl`. An owner that crashes
   * keeps the ownership for that time.
   */
  readonly ttl?: number;
  /**
   * An existing lease to use instead. It is neither refreshed nor revoked here. Its end is detected when the server
   * deletes the key, not before, and `alive` does not check its TTL. Two callers that pass the same lease for the same
   * name share one key, and both own it.
   */
  readonly lease?: LeaseId;
  /**
   * A session whose lease is used instead, for many ownerships under one lease. The ownership errors with `LockLost` as
   * soon as the session ends or is lost, and with `LeaseLost` if it had ended before. Two callers that pass the same
   * session for the same name share one key, and both own it.
   */
  readonly session?: Session;
}

export const SESSION_OPTIONS: OptionKinds<SessionOptions> = { ttl: WHOLE, lease: LEASE, session: SESSION };

/** The entry of a waiter or an owner that is held. */
export interface HeldEntry extends WaiterEntry {
  /**
   * Returns whether the entry certainly exists. It also checks the clock: a process that was suspended may ask before
   * its timers run.
   */
  readonly alive: () => boolean;
}

/**
 * Emits an entry, as `isOwner`, when it owns. Errors with `LockLost` if its key was deleted by then. Each recipe
 * decides which keys an entry waits for.
 */
export type WaitStrategy = (context: ConcurrencyContext, entry: WaiterEntry) => Observable<WaiterEntry>;

/** The queue to enter, the value of the entry, and the condition for owning. */
export interface AcquireRequest {
  /** The name of the queue: the prefix of its keys, without the slash. */
  readonly name: string;
  /**
   * The value of the key. If the key exists already, as with a lease that the caller passed, its value is replaced.
   * etcd's Go client proclaims the value then. Without `value` the key is created empty, and an existing one is left
   * unchanged.
   */
  readonly value?: BytesLike;
  /** By default that of a lock: no earlier entry is left in the queue. */
  readonly wait?: WaitStrategy;
}

/**
 * Enters a queue. Emits the entry when it has to wait, and again (as `isOwner`) when it owns. Errors with `LockLost` as
 * soon as that is no longer certain. Unsubscribing deletes the entry.
 */
export function enterQueue(request: AcquireRequest, options: SessionOptions, context: ConcurrencyContext): Observable<HeldEntry> {
  return new Observable((subscriber) => {
    checkName('a lock or an election', request.name);
    checkUnderLease('a lock or an election', options);
    new QueueSession(request, options, context, subscriber).start();
  });
}

/**
 * How long an ownership without a wait is held before its key is watched, in milliseconds. The watch begins at the
 * revision of the entry, so that it reports an earlier deletion, too. Most locks are released before that, and then
 * cost a grant, a txn and a revoke.
 */
const WATCH_AFTER_MS = 50;

/** The attempts to find and delete a key whose put was in progress when the caller unsubscribed. */
const LATE_ATTEMPTS = 3;

/**
 * Holds one entry of a queue from the grant of its lease to its release. A program may have thousands of waiters. So a
 * session is not a pipeline, in which each operator would hold several objects.
 */
class QueueSession {
  private lease: Pick<HeldLease, 'alive'> | undefined;
  private owned = false;
  private over = false;
  /** When it entered the queue, or became the owner. */
  private since = 0;

  constructor(
    private readonly request: AcquireRequest,
    private readonly options: SessionOptions,
    private readonly context: ConcurrencyContext,
    private readonly subscriber: Subscriber<HeldEntry>,
  ) {}

  start(): void {
    const { subscriber, options } = this;
    subscriber.add(() => (this.over = true));
    const { lease, session, ttl = DEFAULT_SESSION_TTL } = options;
    if (session !== undefined) this.enterWithSession(session);
    else if (lease !== undefined) this.enterWithLease(lease);
    else this.enterWithOwnLease(ttl);
  }

  /** Uses the lease of a session, whose end ends this one. */
  private enterWithSession(session: Session): void {
    const { subscriber, context } = this;
    const end = endOf(session);
    if (end !== undefined) return subscriber.error(end);
    this.lease = session;
    subscriber.add(errorAtEnd(session, context.closed).subscribe({ error: (failure: unknown) => this.fail(failure) }));
    this.enterWithLease(session.lease);
  }

  /** Grants a lease, whose end ends the session. Revoking it deletes the entry. */
  private enterWithOwnLease(ttl: number): void {
    const { subscriber, context, request } = this;
    const { name, value = '' } = request;
    const error = (failure: unknown): void => this.fail(failure);
    const next = (event: LeaseEvent): void => {
      if (event.type !== 'granted') return;
      this.lease = event.lease;
      const entering = retryTransient(enqueue(context.kv, name, event.id, value), context.settings);
      subscriber.add(entering.subscribe({ next: (entry) => this.hold(entry), error }));
    };
    // A held lease completes when the client is closed.
    subscriber.add(heldLease({ ttl }, context).subscribe({ next, error, complete: () => subscriber.complete() }));
  }

  /** Uses a lease of the caller, so that the entry has to be deleted when the subscriber has left. */
  private enterWithLease(lease: LeaseId): void {
    const { subscriber, context, request } = this;
    const { kv, cleanup, closed } = context;
    const key = waiterKey(request.name, lease);
    const entering = acquireWithCompensation<WaiterEntry, never>({
      // The key may be just being released. It would be found, owned, and then deleted.
      acquire: (hasLeft) => cleanup.whenReleased(key).pipe(switchMap(() => this.put(lease, hasLeft))),
      use: (entry) => {
        this.hold(entry);
        return NEVER;
      },
      release: (entered) => {
        if (!isReleasedWith(this.options.session)) cleanup.run(entered, (entry) => dequeue(kv, entry), { key }, key);
      },
    });
    const error = (failure: unknown): void => this.fail(failure);
    subscriber.add(entering.pipe(takeUntil(closed)).subscribe({ error, complete: () => subscriber.complete() }));
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

  /** Waits for the ownership, and for the loss of the entry, wherever it is in the queue. */
  private hold(entry: WaiterEntry): void {
    const { subscriber, context, request } = this;
    const { wait = waitForOwnership } = request;
    const { key, revision: createRevision, observedRevision } = entry;
    const error = (failure: unknown): void => this.fail(failure);
    if (!entry.isOwner) this.emit(entry);
    subscriber.add(wait(context, entry).subscribe({ next: (owner) => this.emit(owner), error }));
    if (subscriber.closed) return;
    const watchDeletion = (): void => {
      const deletion = whenDeleted(context, key, { createRevision, observedRevision });
      subscriber.add(deletion.subscribe({ next: () => this.fail(keyDeleted(entry)), error }));
    };
    if (entry.isOwner) subscriber.add(asyncScheduler.schedule(watchDeletion, WATCH_AFTER_MS));
    else watchDeletion();
  }

  private emit(entry: WaiterEntry): void {
    if (!this.over) this.report(entry);
    this.owned ||= entry.isOwner;
    this.subscriber.next({ ...entry, alive: () => !this.over && this.lease?.alive !== false });
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

  private fail(error: unknown): void {
    const { diagnostics } = this.context;
    if (diagnostics?.active === true && this.owned && !this.over) {
      diagnostics.emit({ type: 'lockLost', name: this.request.name, heldMs: monotonicNow() - this.since, error });
    }
    // Before the error is passed on: a subscriber may read `alive` when it receives it.
    this.over = true;
    // A lease of the caller that does not exist is reported as such.
    const losses: readonly Reason[] = this.options.lease === undefined ? ['LeaseLost', 'LeaseNotFound'] : [];
    this.subscriber.error(toLockLost(this.request.name, this.owned, losses, error));
  }
}

/**
 * Emits the owner of each entry that owns. Waits for an etcd that cannot be reached at first; a failure after the first
 * entry is passed on unchanged. Errors with `ClientClosed` if it completes without an owner.
 *
 * @param entries the entries of {@link enterQueue}; subscribed to again after each failure
 */
export function acquire<T>(
  entries: Observable<HeldEntry>,
  { settings }: ConcurrencyContext,
  toOwner: (entry: HeldEntry) => T,
): Observable<T> {
  return new Observable((subscriber) => {
    // The attempt to get the first entry. It is released with that entry, as is what retries it.
    let attempt: Subscriber<never> | undefined;
    let owned = false;
    const next = (entry: HeldEntry): void => {
      attempt?.complete();
      attempt = undefined;
      if (!entry.isOwner) return;
      owned = true;
      subscriber.next(toOwner(entry));
    };
    const error = (failure: unknown): void => (attempt ?? subscriber).error(failure);
    const complete = (): void => (owned ? subscriber.complete() : subscriber.error(clientClosed()));
    const firstEntry = new Observable<never>((begun) => {
      attempt = begun;
      subscriber.add(entries.subscribe({ next, error, complete }));
    });
    subscriber.add(retryTransient(firstEntry, settings).subscribe({ error: (failure: unknown) => subscriber.error(failure) }));
  });
}

/**
 * Turns an error of an ownership into `LockLost`. If the watch of the key is denied, for example, the deletion of the
 * key would go unnoticed. Errors before the ownership are returned unchanged.
 *
 * @param losses the reasons that are a loss even before the ownership
 */
export function toLockLost(name: string, owned: boolean, losses: readonly Reason[], error: unknown): unknown {
  if (!isEtcdError(error) || error.reason === 'LockLost' || !(owned || hasReason(error, ...losses))) return error;
  return new EtcdError('LockLost', `${JSON.stringify(name)} is no longer held for certain: ${error.message}`, { cause: error });
}
