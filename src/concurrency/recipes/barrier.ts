import { catchError, defer, EMPTY, map, type Observable, of, Subject, switchMap, take, takeUntil, tap, throwError } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import { throwIfClosed } from '../../util/rx.js';
import { checkOptions, LEASE } from '../../model/validate.js';
import { del, get, key as on, put, range } from '../../model/op.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { KvService } from '../../services/kv.js';
import { retryTransient } from '../../watch/retryable.js';
import { checkedArguments } from '../arguments.js';
import type { ConcurrencyContext } from '../context.js';
import { acquire, enterQueue, type HeldEntry, SESSION_OPTIONS, type SessionOptions, type WaitStrategy } from '../lock/ownership.js';
import { keyDeleted, ownershipGuard, rereadIfCompacted, type WaiterEntry, whenDeleted } from '../lock/waiterQueue.js';
import type { LeaseId } from '../../model/ids.js';

/** The options of `hold`. */
export interface BarrierOptions {
  /**
   * A lease for the key of the barrier. The barrier opens when the lease ends, for example after a crash. Without a
   * lease, only `release` opens the barrier.
   */
  readonly lease?: LeaseId;
}

/** A barrier. While it is closed, all callers of `wait` wait. */
export interface Barrier {
  readonly name: string;
  /** Closes the barrier. Emits false if the barrier was closed already. */
  hold(options?: BarrierOptions): Observable<boolean>;
  /** Opens the barrier, so that all waiting callers continue. Emits false if the barrier was open already. */
  release(): Observable<boolean>;
  /** Emits once and completes when the barrier is open. If the barrier is open already, it emits at once. */
  wait(): Observable<void>;
}

/** Creates the method `barrier`. */
export function barriers(context: ConcurrencyContext): (name: string) => Barrier {
  const { kv } = context;
  return (name) => {
    checkedArguments.barrier(name);
    return {
      name,
      hold: (options = {}) =>
        defer(() => {
          const { lease } = checkOptions('hold', options, { lease: LEASE });
          return kv.txn({ compare: [on(name).missing()], success: [put(name, '', lease === undefined ? {} : { lease })] });
        }).pipe(map(({ succeeded }) => succeeded)),
      release: () => kv.delete(name).pipe(map(({ deleted }) => deleted > 0)),
      wait: () => defer(() => whenDeleted(context, name)).pipe(throwIfClosed()),
    };
  };
}

/** The membership in a round of a double barrier. The round begins when all members have entered. */
export interface BarrierHandle {
  readonly name: string;
  /** The key of the member in etcd. */
  readonly key: string;
  /**
   * Leaves the barrier, and waits until all members of the round have left, or their leases have ended. Emits once at
   * that moment, and the Observable of `enter` completes.
   */
  leave(): Observable<void>;
}

/** A double barrier. Its members begin a round together, and end it together. */
export interface DoubleBarrier {
  readonly name: string;
  readonly count: number;
  /**
   * Enters the barrier, and emits when `count` members have entered. The membership lasts as long as the Observable is
   * subscribed to. Unsubscribing leaves the barrier at once, without waiting for the others. Errors with `Locked` if
   * there are `count` members already. Errors with `LockLost` as soon as the membership is no longer certain.
   */
  enter(options?: SessionOptions): Observable<BarrierHandle>;
}

/** Creates the method `doubleBarrier`. */
export function doubleBarriers(context: ConcurrencyContext): (name: string, count: number) => DoubleBarrier {
  return (name, count) => {
    checkedArguments.doubleBarrier(name, count);
    return { name, count, enter: (options = {}) => enterBarrier(name, count, options, context) };
  };
}

const waitersFolder = (name: string): string => `${name}/waiters`;
const readyKey = (name: string): string => `${name}/ready`;

function enterBarrier(name: string, count: number, options: SessionOptions, context: ConcurrencyContext): Observable<BarrierHandle> {
  return defer(() => {
    let leaving = false;
    const left = new Subject<void>();
    const leave = (entry: HeldEntry): Observable<void> =>
      defer(() => {
        leaving = true;
        return waitForAllToLeave(name, entry, context).pipe(tap(() => left.next()));
      });
    const request = { name: waitersFolder(name), wait: waitForAll(name, count) };
    const toHandle = (entry: HeldEntry): BarrierHandle => ({ name, key: entry.key, leave: () => leave(entry) });
    return acquire(enterQueue(request, checkOptions('enter', options, SESSION_OPTIONS), context), context, toHandle).pipe(
      // The key of a member is deleted before the last member has left. While this member leaves, the loss of its key
      // is not an error.
      catchError((error: unknown) => (leaving && hasReason(error, 'LockLost') ? EMPTY : throwError(() => error))),
      takeUntil(left),
    );
  });
}

/** The options that sort members by the order in which they entered. */
const BY_AGE = { sortTarget: 'CREATE', sortOrder: 'ASCEND', keysOnly: true } as const;

/**
 * Waits until all members have entered. The last member to enter then writes the key `ready`, so the revision of this
 * key is higher than those of all members. The `observedRevision` of the emitted entry is the revision at which the
 * round began.
 */
function waitForAll(name: string, count: number): WaitStrategy {
  return function wait(context, entry) {
    const { kv, watchAfter, settings } = context;
    const again = (): Observable<WaiterEntry> => wait(context, entry);
    const members = range({ prefix: `${waitersFolder(name)}/` }, { ...BY_AGE, limit: count });
    return retryTransient(kv.txn({ success: [get(readyKey(name)), members, get(entry.key)] }), settings).pipe(
      switchMap(({ header, responses: [ready, present, own] }): Observable<WaiterEntry> => {
        if (own?.createRevision !== entry.revision) return throwError(() => keyDeleted(entry));
        const begun = (observedRevision: number): WaiterEntry => ({ ...entry, observedRevision, isOwner: true });
        const kvs = present?.kvs ?? [];
        const begunAt = ready?.modRevision ?? 0;
        if (begunAt > entry.revision) return of(begun(begunAt));
        if (!kvs.some(({ createRevision }) => createRevision === entry.revision))
          return throwError(() => new EtcdError('Locked', `the double barrier ${JSON.stringify(name)} has ${count} members already`));
        // A member that entered before the last round began belongs to that round, and will leave soon.
        const isComplete = kvs.length === count && kvs.every(({ createRevision }) => createRevision > begunAt);
        if (isComplete && kvs.at(-1)?.createRevision === entry.revision) {
          return retryTransient(beginRound(kv, name, begunAt, kvs), settings).pipe(
            switchMap((result) => (result.succeeded ? of(begun(result.header.revision)) : again())),
          );
        }
        const roundBegun = watchAfter(readyKey(name), header.revision, { noDelete: true }).pipe(take(1));
        return rereadIfCompacted<unknown>(roundBegun, () => of(undefined)).pipe(switchMap(again));
      }),
    );
  };
}

/**
 * Begins a round, if all members still exist and the round has not begun yet. The txn has no effect if it is repeated
 * after the round, or after a member has left.
 */
function beginRound(kv: KvService, name: string, lastBegunAt: number, members: readonly KeyValue[]) {
  const allExist = members.map(({ keyBytes, createRevision }) => on(keyBytes).createRevision.equals(createRevision));
  return kv.txn({ compare: [on(readyKey(name)).modRevision.equals(lastBegunAt), ...allExist], success: [put(readyKey(name), '')] });
}

/**
 * Waits until all members of the round have left. The first member stays until all others have left, and the others
 * wait for the first one. So each member waits for the deletion of only one key at a time. A key is also deleted when
 * its lease ends.
 */
function waitForAllToLeave(name: string, entry: WaiterEntry, context: ConcurrencyContext): Observable<void> {
  const { kv, settings } = context;
  const again = (): Observable<void> => waitForAllToLeave(name, entry, context);
  const hasLeft = ({ keyBytes, createRevision }: KeyValue): Observable<void> =>
    whenDeleted(context, keyBytes, { createRevision }).pipe(throwIfClosed());
  return retryTransient(kv.range({ prefix: `${waitersFolder(name)}/` }, BY_AGE), settings).pipe(
    switchMap(({ kvs }): Observable<void> => {
      // A member that entered after the round had begun belongs to the next round.
      const members = kvs.filter(({ createRevision }) => createRevision < entry.observedRevision);
      const first = members[0];
      const last = members.at(-1);
      if (first === undefined || last === undefined) return of(undefined);
      if (first.createRevision !== entry.revision) {
        const leave = kv.txn({ compare: [ownershipGuard(entry)], success: [del(entry.key)] });
        return retryTransient(leave, settings).pipe(
          switchMap(() => hasLeft(first)),
          switchMap(again),
        );
      }
      if (last !== first) return hasLeft(last).pipe(switchMap(again));
      const end = kv.txn({ compare: [ownershipGuard(entry)], success: [del(readyKey(name)), del(entry.key)] });
      return retryTransient(end, settings).pipe(map(() => undefined));
    }),
  );
}
