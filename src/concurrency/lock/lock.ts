import { defer, map, type Observable, filter, of, switchMap, take, throwError } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import { deferLight } from '../../util/lightObservable.js';
import { throwIfClosed } from '../../util/rx.js';
import { idToHex, type LeaseId } from '../../model/ids.js';
import type { Compare } from '../../model/op.js';
import type { OwnershipEvent } from '../../model/events.js';
import { ANYTHING, checkName, checkOptions, MILLISECONDS, type OptionKinds, checkArgument, WHOLE } from '../../model/validate.js';
import type { ConcurrencyContext } from '../context.js';
import { acquire, enterQueue, type HeldEntry, SESSION_OPTIONS, type SessionOptions, type WaitStrategy } from './ownership.js';
import { acquireOnceOrAgain, type AnyOnLost, ON_LOST, type Reacquire, timeoutAcquire } from './reacquire.js';
import { countShares, enterSharedQueue, type Reentrancy } from './reentrantLock.js';
import { ownershipGuard, waitForPredecessors, keyDeleted, rereadIfCompacted, whenDeleted, type WaiterEntry } from './waiterQueue.js';
import { keyId } from '../../model/keyValue.js';
import { retryTransient } from '../../watch/retryable.js';

/** The options of `lock`: its lease or session, the wait, and the behavior after a loss. */
export interface LockOptions extends SessionOptions {
  /**
   * How long to wait for the lock, in milliseconds, before the Observable errors with `DeadlineExceeded`. There is no
   * limit by default.
   */
  readonly timeoutMs?: number;
  /**
   * Lets other callers acquire the lock without waiting. These are callers on the owner's host, in its process (worker
   * threads included), in its thread, or with the same `holder`. The lock is released when the last of these callers
   * unsubscribes. If a caller crashes, its share ends when its lease expires. All callers of a lock should pass the
   * same value here. The queue entry has the `ttl` of the first caller, and each share has the `ttl` of its caller.
   */
  readonly reentrant?: Reentrancy;
  /**
   * The behavior after the loss of the lock. With `error`, the default, the Observable errors with `LockLost`. For
   * `reacquire` see {@link Reacquire}; `timeoutMs` then limits the wait for the first ownership only.
   */
  readonly onLost?: 'error';
}

/** The options of `tryLock`. It does not wait, so it has no `timeoutMs`. */
export type TryLockOptions = Omit<LockOptions, 'timeoutMs' | 'onLost'>;

const TRY_LOCK_OPTIONS: OptionKinds<TryLockOptions> = { ...SESSION_OPTIONS, reentrant: ANYTHING };
const LOCK_OPTIONS: OptionKinds<AnyOnLost<LockOptions>> = { ...TRY_LOCK_OPTIONS, timeoutMs: MILLISECONDS, onLost: ON_LOST };

/** The ownership of a lock, as `lock` emits it. */
export interface LockHandle {
  readonly name: string;
  /** The key of the ownership in etcd. */
  readonly key: string;
  readonly lease: LeaseId;
  /** The fencing token: a number that grows with each owner. Send it to protected resources outside etcd. */
  readonly revision: number;
  /**
   * A compare that is true only as long as the ownership lasts. With `reentrant`, it is true until the last caller has
   * released the lock. Put it into the `compare` of every txn that the lock protects. A txn that arrives too late then
   * changes nothing.
   */
  readonly guard: Compare;
  /**
   * Whether the ownership is certain, by the local clock at this moment. Check it if the process may have been
   * suspended: its timers may not have reported the loss yet.
   */
  readonly alive: boolean;
}

/** The owner of a lock, or a waiter. */
export interface LockWaiter {
  readonly key: string;
  readonly lease: LeaseId | undefined;
  readonly revision: number;
  /** The number of callers that share the ownership or the position in the queue; 1 unless the lock is reentrant. */
  readonly shares: number;
}

/** The time limit of `whenUnlocked`. */
export interface WhenUnlockedOptions {
  /**
   * How long to wait, in milliseconds, before the Observable errors with `DeadlineExceeded`. There is no limit by
   * default.
   */
  readonly timeoutMs?: number;
}

const WHEN_UNLOCKED: OptionKinds<WhenUnlockedOptions> = { timeoutMs: MILLISECONDS };

/** Creates the methods `lock`, `tryLock`, `lockWaiters` and `whenUnlocked`. */
export function locks(context: ConcurrencyContext) {
  const entriesOf = (name: string, { reentrant, ...options }: TryLockOptions): Observable<HeldEntry> =>
    reentrant === undefined ? enterQueue({ name }, options, context) : enterSharedQueue(name, reentrant, options, context);

  function lock(name: string, options: Omit<LockOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<LockHandle>>;
  function lock(name: string, options?: LockOptions): Observable<LockHandle>;
  function lock(name: string, options: AnyOnLost<LockOptions> = {}): Observable<LockHandle | OwnershipEvent<LockHandle>> {
    return deferLight(() => {
      checkName('a lock', name);
      const { timeoutMs, onLost, ...rest } = checkOptions('lock', options, LOCK_OPTIONS);
      const once = acquire(entriesOf(name, rest), context, toLockHandle);
      return acquireOnceOrAgain(once, onLost, context).pipe(timeoutAcquire(`the lock ${JSON.stringify(name)}`, timeoutMs));
    });
  }

  return {
    lock,
    tryLock: (name: string, options: TryLockOptions = {}): Observable<LockHandle> =>
      defer(() => {
        checkName('a lock', name);
        return entriesOf(name, checkOptions('tryLock', options, TRY_LOCK_OPTIONS));
      }).pipe(
        map((entry) => {
          if (!entry.isOwner) throw new EtcdError('Locked', `the lock ${JSON.stringify(name)} has another owner`);
          return toLockHandle(entry);
        }),
        throwIfClosed(),
      ),
    lockWaiters: (name: string): Observable<readonly LockWaiter[]> =>
      defer(() => {
        checkName('a lock', name);
        return context.kv.range({ prefix: `${name}/` }, { sortTarget: 'CREATE', sortOrder: 'ASCEND' });
      }).pipe(
        switchMap(({ kvs, header: { revision } }) => {
          // The key of a shared entry has a value, which names the holder.
          const isShared = kvs.some(({ valueBytes }) => valueBytes.length > 0);
          const shares = isShared ? countShares(context.kv, name, revision) : of(new Map<string, number>());
          return shares.pipe(
            map((counts) =>
              kvs.map(({ key, lease, createRevision }) => ({
                key,
                lease,
                revision: createRevision,
                shares: (lease && counts.get(idToHex(lease))) ?? 1,
              })),
            ),
          );
        }),
      ),
    whenUnlocked: (name: string, options: WhenUnlockedOptions = {}): Observable<void> =>
      defer(() => {
        checkName('a lock', name);
        const { timeoutMs } = checkOptions('whenUnlocked', options, WHEN_UNLOCKED);
        return untilEmpty(context, name).pipe(
          timeoutAcquire(`the release of the lock ${JSON.stringify(name)}`, timeoutMs),
          throwIfClosed(),
        );
      }),
  };
}

/**
 * Emits once when a queue has neither an owner nor waiters. It waits for the deletion of the newest key, and then reads
 * the queue again.
 */
function untilEmpty(context: ConcurrencyContext, name: string): Observable<void> {
  const newest = { limit: 1, sortTarget: 'CREATE', sortOrder: 'DESCEND', keysOnly: true } as const;
  return retryTransient(context.kv.range({ prefix: `${name}/` }, newest), context.settings).pipe(
    switchMap(({ kvs: [last], header }) => {
      if (last === undefined) return of(undefined);
      const known = { createRevision: last.createRevision, observedRevision: header.revision };
      return whenDeleted(context, last.keyBytes, known).pipe(switchMap(() => untilEmpty(context, name)));
    }),
  );
}

/** Creates the handle of an entry that owns the lock. */
export function toLockHandle(entry: HeldEntry): LockHandle {
  const { name, key, lease, revision } = entry;
  return {
    name,
    key,
    lease,
    revision,
    guard: ownershipGuard(entry),
    get alive() {
      return entry.alive();
    },
  };
}

/** The options of `readLock` and `writeLock`. */
export type ReadWriteLockOptions = Omit<LockOptions, 'reentrant'>;

const READ_WRITE_LOCK_OPTIONS: OptionKinds<AnyOnLost<ReadWriteLockOptions>> = {
  ...SESSION_OPTIONS,
  timeoutMs: MILLISECONDS,
  onLost: ON_LOST,
};

/** The type of the methods `readLock` and `writeLock`. */
export interface ReadWriteLock {
  (name: string, options: Omit<ReadWriteLockOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<LockHandle>>;
  (name: string, options?: ReadWriteLockOptions): Observable<LockHandle>;
}

/** Creates the methods `readLock` and `writeLock`. */
export function readWriteLocks(context: ConcurrencyContext) {
  const lockOf = (kind: 'read' | 'write'): ReadWriteLock => {
    function lock(name: string, options: Omit<ReadWriteLockOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<LockHandle>>;
    function lock(name: string, options?: ReadWriteLockOptions): Observable<LockHandle>;
    function lock(name: string, options: AnyOnLost<ReadWriteLockOptions> = {}): Observable<LockHandle | OwnershipEvent<LockHandle>> {
      return defer(() => {
        checkName('a read/write lock', name);
        const { timeoutMs, onLost, ...rest } = checkOptions(`${kind}Lock`, options, READ_WRITE_LOCK_OPTIONS);
        // A reader waits only for earlier writers, a writer for all earlier keys.
        const folder = kind === 'read' ? `${name}/write` : name;
        const wait: WaitStrategy = (_, entry) => waitForPredecessors(context, entry, folder);
        const entries = enterQueue({ name: `${name}/${kind}`, wait }, rest, context);
        const once = acquire(entries, context, (entry) => toLockHandle({ ...entry, name }));
        return acquireOnceOrAgain(once, onLost, context).pipe(timeoutAcquire(`the ${kind} lock ${JSON.stringify(name)}`, timeoutMs));
      });
    }
    return lock;
  };

  return { readLock: lockOf('read'), writeLock: lockOf('write') };
}

/** The options of `semaphore`, which are those of `lock` except for `reentrant`. */
export type SemaphoreOptions = Omit<LockOptions, 'reentrant'>;

const SEMAPHORE_OPTIONS: OptionKinds<AnyOnLost<SemaphoreOptions>> = { ...SESSION_OPTIONS, timeoutMs: MILLISECONDS, onLost: ON_LOST };

/** Creates the method `semaphore`. */
export function semaphores(context: ConcurrencyContext) {
  function semaphore(
    name: string,
    permits: number,
    options: Omit<SemaphoreOptions, 'onLost'> & Reacquire,
  ): Observable<OwnershipEvent<LockHandle>>;
  function semaphore(name: string, permits: number, options?: SemaphoreOptions): Observable<LockHandle>;
  function semaphore(
    name: string,
    permits: number,
    options: AnyOnLost<SemaphoreOptions> = {},
  ): Observable<LockHandle | OwnershipEvent<LockHandle>> {
    return defer(() => {
      checkName('a semaphore', name);
      checkArgument('semaphore', 'permits', permits, WHOLE);
      const { timeoutMs, onLost, ...rest } = checkOptions('semaphore', options, SEMAPHORE_OPTIONS);
      const once = acquire(enterQueue({ name, wait: waitForPermit(permits) }, rest, context), context, toLockHandle);
      return acquireOnceOrAgain(once, onLost, context).pipe(timeoutAcquire(`a permit of ${JSON.stringify(name)}`, timeoutMs));
    });
  }
  return semaphore;
}

/**
 * Waits until fewer than `permits` entries are before an entry. The earlier entries are read once, and then a watch
 * counts their deletions. So the release of a permit causes no further requests. Later entries do not matter.
 */
function waitForPermit(permits: number): WaitStrategy {
  return function wait(context, entry) {
    const prefix = `${entry.name}/`;
    const present = context.kv.range({ prefix }, { maxCreateRevision: entry.revision, keysOnly: true });
    return retryTransient(present, context.settings).pipe(
      switchMap(({ kvs, header }): Observable<WaiterEntry> => {
        const ahead = new Set(kvs.map(keyId));
        const owner = { ...entry, observedRevision: header.revision, isOwner: true };
        if (!ahead.delete(entry.key)) return throwError(() => keyDeleted(entry));
        if (ahead.size < permits) return of(owner);
        const permitReleased = context.watchAfter({ prefix }, header.revision, { noPut: true }).pipe(
          filter(({ kv }) => {
            const id = keyId(kv);
            if (id === entry.key) throw keyDeleted(entry);
            return ahead.delete(id) && ahead.size < permits;
          }),
          take(1),
          map(() => owner),
        );
        return rereadIfCompacted(permitReleased, () => wait(context, entry));
      }),
    );
  };
}
