import { defer, filter, identity, map, throwError, timeout, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { Kv } from '../../services/kv.js';
import type { Compare } from '../../model/compare.js';
import type { LeaseId } from '../../model/ids.js';
import { ANYTHING, checkOptions, LONGEST_MS, MILLISECONDS, type OptionKinds } from '../../model/validate.js';
import { orClosed } from '../../model/closed.js';
import { checkName } from '../names.js';
import { guardOf } from './waiterQueue.js';
import { sharedTenure, type Reentrancy, type ReentrantMeans } from './reentrantLock.js';
import { TENURE, tenure, type HeldPlace, type TenureOptions } from './ownership.js';

/** How a lock is held, and waited for. */
export interface LockOptions extends TenureOptions {
  /** How long it is waited for, in milliseconds, before it errors with `DeadlineExceeded`; by default as long as it takes. */
  readonly timeoutMs?: number;
  /**
   * Lets those in at once who belong to the holder already: all on its host, in its process (worker threads included), or in its thread. The last of them to leave
   * releases it, and one that dies leaves when its lease ends. All who use a lock of this name should give the same; the `ttl` of the first counts.
   */
  readonly reentrant?: Reentrancy;
}

const TRY_LOCK: OptionKinds<Omit<LockOptions, 'timeoutMs'>> = { ...TENURE, reentrant: ANYTHING };
const LOCK: OptionKinds<LockOptions> = { ...TRY_LOCK, timeoutMs: MILLISECONDS };

/** A lock that is owned. */
export interface Ownership {
  readonly name: string;
  /** The key that stands for it. */
  readonly key: string;
  readonly lease: LeaseId;
  /** A fencing token: it grows from owner to owner. Give it along to what is protected but is not in etcd. */
  readonly revision: number;
  /** Holds only as long as this ownership does: put it into the `compare` of every txn that the lock protects, and a late one does nothing. */
  readonly guard: Compare;
  /** Whether it is owned for certain, by the clock of now: ask it where the process may have been stopped, before its timers could tell of the loss. */
  readonly alive: boolean;
}

/** One who holds a lock, or waits for it. */
export interface LockClaim {
  readonly key: string;
  readonly lease: LeaseId | undefined;
  readonly revision: number;
}

/** The locks of a client. */
export interface Locks {
  /**
   * A lock, owned as long as it is subscribed to: emits when it is owned, and errors with `LockLost` the moment that it can no longer be sure, be it that its lease
   * could not be refreshed in time or that its key was deleted. Unsubscribing releases it, or leaves the queue. Fair: who came first owns
   * first. Excludes `etcdctl lock` and the locks of etcd's Go client, and is excluded by them.
   *
   * ```ts
   * etcd.lock('jobs/nightly', { ttl: 15 }).pipe(switchMap(({ guard }) => work(guard)), take(1)).subscribe();
   * ```
   */
  lock(name: string, options?: LockOptions): Observable<Ownership>;

  /** As {@link Locks.lock}, but errors with `Locked` at once where somebody else holds it. */
  tryLock(name: string, options?: Omit<LockOptions, 'timeoutMs'>): Observable<Ownership>;

  /** Who holds a lock, and who waits for it, in the order in which they will own it. */
  lockClaims(name: string): Observable<readonly LockClaim[]>;
}

/** The locks of a client. */
export function locks(means: ReentrantMeans): Locks {
  const places = (name: string, { reentrant, ...options }: Omit<LockOptions, 'timeoutMs'>): Observable<HeldPlace> =>
    reentrant === undefined ? tenure({ name }, options, means) : sharedTenure(name, reentrant, options, means);

  return {
    lock: (name, options = {}) =>
      defer(() => {
        checkName('a lock', name);
        const { timeoutMs, ...rest } = checkOptions('lock', options, LOCK);
        return places(name, rest).pipe(
          filter(({ first }) => first),
          orClosed(),
          map(toOwnership),
          hadWithin(`the lock ${JSON.stringify(name)}`, timeoutMs),
        );
      }),
    tryLock: (name, options = {}) =>
      defer(() => {
        checkName('a lock', name);
        return places(name, checkOptions('tryLock', options, TRY_LOCK));
      }).pipe(
        map((place) => {
          if (!place.first) throw new EtcdError('Locked', `the lock ${JSON.stringify(name)} is held by somebody else`);
          return toOwnership(place);
        }),
        orClosed(),
      ),
    lockClaims: (name) =>
      defer(() => {
        checkName('a lock', name);
        return claims(means.kv, name);
      }),
  };
}

function claims(kv: Kv, name: string): Observable<readonly LockClaim[]> {
  return kv
    .range({ prefix: `${name}/` }, { sortTarget: 'CREATE', sortOrder: 'ASCEND' })
    .pipe(map(({ kvs }) => kvs.map(({ key, lease, createRevision }) => ({ key, lease, revision: createRevision }))));
}

/** Errors with `DeadlineExceeded` where it is not had in so many milliseconds. */
export function hadWithin<T>(what: string, timeoutMs: number | undefined): MonoTypeOperatorFunction<T> {
  if (timeoutMs === undefined || timeoutMs > LONGEST_MS) return identity;
  return timeout({
    first: timeoutMs,
    with: () => throwError(() => new EtcdError('DeadlineExceeded', `${what} was not had within ${timeoutMs} ms`)),
  });
}

/** What a place that is the first stands for. */
export function toOwnership(place: HeldPlace): Ownership {
  const { name, key, lease, revision } = place;
  return {
    name,
    key,
    lease,
    revision,
    guard: guardOf(place),
    get alive() {
      return place.alive();
    },
  };
}
