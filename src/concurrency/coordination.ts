import { EMPTY, type Observable, takeUntil } from 'rxjs';
import type { BytesLike } from '../model/bytes.js';
import type { Diagnostics } from '../model/diagnostics.js';
import type { OwnershipEvent } from '../model/events.js';
import type { Range } from '../model/range.js';
import { electionService, type ElectionService, lockService, type LockService } from '../services/concurrency.js';
import { leaseService } from '../services/lease.js';
import type { LeaseActivity } from '../transport/endpoints/activity.js';
import type { Caller } from '../transport/call.js';
import type { LiveUpdate } from '../watch/live/liveRange.js';
import type { MaybeAsync } from '../util/rx.js';
import type { StreamTimeouts } from '../watch/retryable.js';
import { watchesAfterReads } from '../watch/watchAfterRead.js';
import type { WatchesDeps } from '../watch/watcher.js';
import type { ServicesOptions } from './arguments.js';
import type { ConcurrencyContext } from './context.js';
import { CleanupTracker } from './lease/cleanup.js';
import { KeepAlives } from './lease/keepAlives.js';
import { leaseClient, type LeaseClient } from './lease/lease.js';
import { RefreshScheduler } from './lease/refreshScheduler.js';
import { type NewSessionOptions, type Session, sessions } from './lease/session.js';
import { type Election, elections } from './lock/election.js';
import {
  type LockHandle,
  type LockOptions,
  locks,
  type LockWaiter,
  type ReadWriteLock,
  readWriteLocks,
  type SemaphoreOptions,
  semaphores,
  type TryLockOptions,
  type WhenUnlockedOptions,
} from './lock/lock.js';
import type { Reacquire } from './lock/reacquire.js';
import { type Announcement, announcements, type AnnounceOptions } from './recipes/announce.js';
import { type Barrier, barriers, type DoubleBarrier, doubleBarriers } from './recipes/barrier.js';
import { type PriorityQueue, priorityQueues, type Queue, queues } from './recipes/queue.js';
import { serviceRegistry, type Services } from './recipes/serviceRegistry.js';
import { type StmOptions, type StmResult, type Transaction, transactions } from './transaction/stm.js';
import { type UpdateOptions, type Updater, type UpdateResult, updates } from './transaction/update.js';

/** The methods for leases, for coordination between processes, and for transactions. */
export interface Coordination {
  /** Leases that are refreshed automatically, and the methods of etcd's Lease service. */
  readonly lease: LeaseClient;
  readonly lockService: LockService;
  readonly electionService: ElectionService;

  /**
   * Grants one lease for many locks, elections, registrations and announcements, and keeps it alive as long as the
   * Observable is subscribed to. Pass the session to them as the option `session`. The Observable emits the session
   * once. It errors with `LeaseLost` when the lease is lost, and everything that is held under the lease errors as
   * well. Unsubscribing revokes the lease, which deletes all its keys at once.
   *
   * ```ts
   * etcd
   *   .session({ ttl: 15 })
   *   .pipe(
   *     switchMap((session) =>
   *       merge(
   *         etcd.announce('nodes/node-1', '10.0.0.7:8080', { session }),
   *         etcd.election('scheduler').campaign('node-1', { session }).pipe(switchMap(() => schedule())),
   *       ),
   *     ),
   *     retry({ delay: 1_000 }),
   *   )
   *   .subscribe();
   * ```
   *
   * If etcd cannot be reached at the start, the Observable waits. See {@link Session.orphan} for a lease that must
   * outlive its session.
   */
  session(options?: NewSessionOptions): Observable<Session>;

  /**
   * Keeps a key under a lease, as long as the Observable is subscribed to. If the lease is lost, the key is written
   * again under another lease. So the key is restored after lost connections, revocations and outages. With the option
   * `session`, the Observable errors instead. Unsubscribing deletes the key at once. Each event is an {@link
   * Announcement}.
   *
   * The value may be an Observable: each value replaces the previous one, in order. While a value is being written,
   * only the newest later value is kept. The key does not exist before the first value, and keeps the last one when
   * that Observable completes. An error of that Observable ends the announcement, and so does its completion without a
   * value.
   *
   * ```ts
   * etcd.announce('nodes/node-1', load$.pipe(map(String)), { ttl: 10 }).subscribe(({ type }) => console.log(type));
   * ```
   *
   * An existing key is replaced. If another client deletes or replaces the key, the key is written again only with the
   * next value, or after a loss of the lease. The announcement completes when the client is closed.
   *
   * If another client revokes the lease, the revocation is detected at the next keepalive, within a third of the TTL.
   * The key is missing until then. To detect the revocation at once, a watch for each key would be needed.
   */
  announce(key: BytesLike, value: BytesLike | Observable<BytesLike>, options?: AnnounceOptions): Observable<Announcement>;

  /**
   * Acquires a lock, and holds it as long as the Observable is subscribed to. The Observable emits when the lock is
   * owned. It errors with `LockLost` as soon as the ownership is no longer certain. Usual causes are a lease that was
   * not refreshed in time, and a deleted key. A waiter that loses its lease or key errors in the same way.
   * Unsubscribing releases the lock, or removes the waiter from the queue. The lock is fair: waiters own it in the
   * order of their arrival. It also excludes `etcdctl lock` and the locks of etcd's Go client, as they use the same
   * keys. The locks of npm's `etcd3` and of Python's `etcd3-py` use other keys, and are not excluded.
   *
   * Stay subscribed while you work. `firstValueFrom(lock)` releases the lock at once, and
   * `lock.pipe(take(1), mergeMap(work))` releases it as soon as the work has started. Put `take(1)` after the work
   * instead.
   *
   * ```ts
   * etcd.lock('jobs/nightly', { ttl: 15 }).pipe(switchMap(({ guard }) => work(guard)), take(1)).subscribe();
   * ```
   *
   * With `onLost: 'reacquire'` the Observable acquires the lock again after each loss, and emits each
   * {@link OwnershipEvent}.
   */
  lock(name: string, options: Omit<LockOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<LockHandle>>;
  lock(name: string, options?: LockOptions): Observable<LockHandle>;

  /**
   * Acquires a lock as {@link Coordination.lock} does, but errors with `Locked` at once if the lock has another owner.
   */
  tryLock(name: string, options?: TryLockOptions): Observable<LockHandle>;

  /**
   * Lists the owner of a lock and its waiters, in the order in which they own the lock. `shares` counts the callers
   * that share a reentrant lock.
   */
  lockWaiters(name: string): Observable<readonly LockWaiter[]>;

  /**
   * Waits until a lock has neither an owner nor waiters, then emits once and completes. It does not acquire the lock,
   * so another client may already own it when the Observable emits. Errors with `DeadlineExceeded` after `timeoutMs`.
   *
   * ```ts
   * etcd.whenUnlocked('jobs/nightly', { timeoutMs: 60_000 }).subscribe(() => console.log('the job is over'));
   * ```
   */
  whenUnlocked(name: string, options?: WhenUnlockedOptions): Observable<void>;

  /**
   * Returns an election, in which one candidate leads at a time. It is compatible with `etcdctl elect` and etcd's Go
   * client.
   *
   * @throws EtcdError `InvalidArgument` if the name is empty
   */
  election(name: string): Election;

  /**
   * Acquires a lock that several readers may own at a time. A reader waits for the owner of the
   * {@link Coordination.writeLock} of the same name, and for writers that were waiting before the reader. The read lock
   * is held as long as the Observable is subscribed to. It is compatible with `RWMutex` of etcd's Go recipes
   * (`<name>/read/…`, `<name>/write/…`).
   *
   * ```ts
   * etcd.readLock('catalogue').pipe(switchMap(() => readCatalogue()), take(1)).subscribe();
   * ```
   *
   * With `onLost: 'reacquire'` the Observable acquires the lock again after each loss, and emits each
   * {@link OwnershipEvent}.
   */
  readLock: ReadWriteLock;
  /**
   * Acquires a lock that excludes all other readers and writers of the same name. A writer waits for all earlier
   * readers and writers.
   */
  writeLock: ReadWriteLock;

  /**
   * Acquires one of the permits, and holds it as long as the Observable is subscribed to. The Observable emits when the
   * permit is acquired, and errors with `LockLost` as soon as the permit is no longer certain. Unsubscribing releases
   * the permit, or removes the waiter from the queue. The semaphore is fair: waiters acquire permits in the order of
   * their arrival. All users of a semaphore must pass the same number of permits.
   *
   * The keys are those of a lock (`<name>/<lease in hex>`); etcd's Go client has no semaphore.
   *
   * ```ts
   * etcd.semaphore('imports', 3, { ttl: 15 }).pipe(switchMap(() => runImport()), take(1)).subscribe();
   * ```
   *
   * With `onLost: 'reacquire'` the Observable acquires a permit again after each loss, and emits each
   * {@link OwnershipEvent}.
   */
  semaphore(name: string, permits: number, options: Omit<SemaphoreOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<LockHandle>>;
  semaphore(name: string, permits: number, options?: SemaphoreOptions): Observable<LockHandle>;

  /**
   * Returns a barrier. It is closed while the key with its name exists. It is compatible with `Barrier` of etcd's Go
   * recipes.
   *
   * ```ts
   * const barrier = etcd.barrier('migration');
   * barrier.wait().pipe(switchMap(() => serve())).subscribe();
   * ```
   */
  barrier(name: string): Barrier;

  /**
   * Returns a barrier that lets `count` members (127 at most) enter together and leave together. It is compatible with
   * `DoubleBarrier` of etcd's Go recipes (`<name>/waiters/…`, `<name>/ready`).
   *
   * ```ts
   * etcd.doubleBarrier('round', 3).enter().pipe(switchMap((round) => concat(play(), round.leave()))).subscribe();
   * ```
   */
  doubleBarrier(name: string, count: number): DoubleBarrier;

  /**
   * Returns a queue for any number of producers and consumers. It is compatible with `Queue` of etcd's Go recipes
   * (`<name>/<unique>`, by age). There is one exception: if an item was put back, the Go recipes take it last.
   *
   * ```ts
   * etcd.queue('mails').dequeue().pipe(concatMap(({ value }) => send(value)), repeat()).subscribe();
   * ```
   */
  queue(name: string): Queue;

  /**
   * Returns a queue that is ordered by priority. It is compatible with `PriorityQueue` of etcd's Go recipes
   * (`<name>/<priority, 5 digits>/<number, 16 digits>`).
   *
   * ```ts
   * const jobs = etcd.priorityQueue('jobs');
   * concat(jobs.enqueue('tidy up', 500), jobs.enqueue('put out fire', 0)).subscribe();
   * ```
   */
  priorityQueue(name: string): PriorityQueue;

  /**
   * Registers and discovers services, in the format of the `endpoints` package of etcd's Go client (`<target>/<id>`),
   * which gRPC's resolver reads.
   *
   * ```ts
   * const shops = etcd.services('shop');
   * shops.register('shop-1', { addr: '10.0.0.7:8080', ttl: 10 }).subscribe();
   * shops.endpoints$.subscribe((endpoints) => console.log([...endpoints.values()].map(({ addr }) => addr)));
   * ```
   */
  services(target: string, options?: ServicesOptions): Services;

  /**
   * Runs a transaction. The body reads and writes through `tx`. By default, its writes are committed in one txn if no
   * key that it read or writes has changed since; see the option `isolation`. If one has changed, the body runs again.
   * So **the body may run several times**, and must have no side effects that cannot be repeated. The body returns a
   * value, or an Observable or a Promise of one. If the body fails, nothing is written, and its error is passed on.
   * Errors with `Conflict` after `maxAttempts` attempts that failed because of other writes or a compaction. Errors
   * with `AmbiguousWrite` if it is unknown whether the transaction was committed. The transaction is not retried in
   * that case.
   *
   * ```ts
   * const transfer = etcd.stm((tx) =>
   *   forkJoin([tx.get('ann'), tx.get('bob')]).pipe(
   *     tap(([ann, bob]) => {
   *       tx.put('ann', String(Number(ann?.value) - 10));
   *       tx.put('bob', String(Number(bob?.value) + 10));
   *     }),
   *   ),
   * );
   * transfer.subscribe(({ revision, attempts }) => console.log(`done at revision ${revision}, attempt ${attempts}`));
   * ```
   */
  stm<T>(body: (tx: Transaction) => MaybeAsync<T>, options?: StmOptions): Observable<StmResult<T>>;

  /**
   * Reads a key, and writes the value that the function returns, unless another client has written to the key
   * meanwhile. In that case the update starts again with the current value, so **the function may run several times**.
   * The function returns the new value, or an Observable or a Promise of it. Undefined deletes the key, and the given
   * `KeyValue` leaves it unchanged. Errors with `Conflict` after `maxAttempts` attempts that failed because of other
   * writes. Errors with `AmbiguousWrite` if the outcome of the write is unknown. The update is not retried in that
   * case.
   *
   * ```ts
   * etcd.update('counter', (kv) => String(Number(kv?.value ?? 0) + 1)).subscribe(({ kv }) => console.log(kv?.value));
   * ```
   */
  update(key: BytesLike, change: Updater, options?: UpdateOptions): Observable<UpdateResult>;
}

/** The dependencies of the leases of a client. */
export interface HoldingDeps {
  readonly caller: Caller;
  readonly settings: StreamTimeouts;
  /** Records whether leases are held, as streams send heartbeats more often in that case. */
  readonly activity: LeaseActivity;
  /** Fires when the client is closed. */
  readonly closed: Observable<void>;
  /** Emits when all leases have to be refreshed at once. */
  readonly hurry?: Observable<void>;
  readonly diagnostics: Diagnostics;
}

/** The keys on which the methods work: those of a client, or of a namespace. */
export interface KeySpace extends Pick<ConcurrencyContext, 'kv' | 'identity'> {
  readonly caller: Caller;
  readonly watching: WatchesDeps;
  readonly live: (range: Range) => Observable<LiveUpdate>;
}

/** The leases, locks and similar resources that a client holds. */
export interface Holding {
  /** Creates the methods, which work on the keys of a client or a namespace. */
  over(keys: KeySpace): Coordination;
  /** The tracker of the releases for which `close()` waits. */
  readonly cleanup: Pick<CleanupTracker, 'settled' | 'summary'>;
}

/** Creates the management of leases that a client and all its namespaces share. */
export function holding({ caller, settings, activity, closed, hurry = EMPTY, diagnostics }: HoldingDeps): Holding {
  const cleanup = new CleanupTracker();
  const scheduler = new RefreshScheduler();
  hurry.pipe(takeUntil(closed)).subscribe({ next: () => scheduler.hurry(), error: () => undefined });
  const keepAlives = new KeepAlives(caller, leaseService(caller), settings, activity);
  return {
    cleanup,
    over: ({ live, caller: within, watching, ...keys }) => {
      const watchAfter = watchesAfterReads(watching, closed);
      const context = { ...keys, watchAfter, service: leaseService(within), scheduler, keepAlives, cleanup, closed, settings, diagnostics };
      return coordinationOver(context, within, live);
    },
  };
}

function coordinationOver(context: ConcurrencyContext, caller: Caller, live: KeySpace['live']): Coordination {
  return {
    lease: leaseClient(context),
    session: sessions(context),
    announce: announcements(context),
    lockService: lockService(caller),
    electionService: electionService(caller),
    ...locks(context),
    election: elections(context, live),
    ...readWriteLocks(context),
    semaphore: semaphores(context),
    barrier: barriers(context),
    doubleBarrier: doubleBarriers(context),
    queue: queues(context),
    priorityQueue: priorityQueues(context),
    services: serviceRegistry(context, live),
    stm: transactions(context.kv),
    update: updates(context.kv),
  };
}
