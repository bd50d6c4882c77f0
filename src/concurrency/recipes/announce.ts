import {
  AsyncSubject,
  catchError,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  isObservable,
  map,
  Observable,
  of,
  type OperatorFunction,
  switchMap,
  tap,
  throwError,
} from 'rxjs';
import { type EtcdError, hasReason, isEtcdError } from '../../errors/index.js';
import { type BytesLike, capturedBytes, toText } from '../../model/bytes.js';
import type { LeaseId } from '../../model/ids.js';
import { del, key as on, type Op } from '../../model/op.js';
import { toKeyRange } from '../../model/range.js';
import { BYTES, checkArgument, checkOptions, type OptionKinds, WHOLE } from '../../model/validate.js';
import { takeUntilClosed } from '../../util/closedSignal.js';
import { multicast } from '../../util/rx.js';
import { isTransient } from '../../watch/retryable.js';
import type { ConcurrencyContext } from '../context.js';
import { keyWriter } from './keyWriter.js';
import { retryCleanup } from '../lease/cleanup.js';
import { heldLease } from '../lease/lease.js';
import type { LeaseEvent } from '../lease/leaseKeeper.js';
import { endOf, errorAtEnd, isReleasedWith, SESSION, type Session } from '../lease/session.js';
import { awaitsRepair, restartAfterLoss } from '../lock/reacquire.js';

/** The options for the lease of an announced key. */
export interface AnnounceOptions {
  /**
   * The TTL of the lease of the key, in seconds: 15 by default. If the process crashes, the key exists for up to that
   * time.
   */
  readonly ttl?: number;
  /**
   * A session whose lease is used instead of a new one. When the session ends or is lost, the Observable emits `lost`,
   * and then errors with `LeaseLost`.
   */
  readonly session?: Session;
}

/**
 * An event of an announced key:
 * - `announced`: a value was written. This event is emitted for the first value, for later values, and after each
 *   `lost`
 * - `lost`: the lease and the key were lost, or may have been. `error` is the cause. The key is then written again,
 *   unless the lease was that of a session that has ended. With `AmbiguousWrite` the lease is revoked, as it is unknown
 *   whether the write was carried out. A session's lease is not revoked
 */
export type Announcement =
  | { readonly type: 'announced'; readonly key: string; readonly lease: LeaseId; readonly revision: number }
  | { readonly type: 'lost'; readonly key: string; readonly error: EtcdError };

export const DEFAULT_ANNOUNCE_TTL = 15;

export const ANNOUNCE: OptionKinds<AnnounceOptions> = { ttl: WHOLE, session: SESSION };

/** Creates the method `announce`. */
export function announcements(context: ConcurrencyContext) {
  return (key: BytesLike, value: BytesLike | Observable<BytesLike>, options: AnnounceOptions = {}): Observable<Announcement> =>
    defer(() => {
      checkArgument('announce', 'key', key, BYTES);
      toKeyRange({ key });
      const values = isObservable(value) ? value : of(value);
      return announced(key, values, checkOptions('announce', options, ANNOUNCE), context);
    });
}

/**
 * Keeps a key under a lease as long as the Observable is subscribed to. The key has the newest of the values. After a
 * loss of the lease, or a write with unknown outcome, the key is written again under another lease.
 */
export function announced(
  key: BytesLike,
  values: Observable<BytesLike>,
  options: AnnounceOptions,
  context: ConcurrencyContext,
): Observable<Announcement> {
  const events = new Observable<Announcement>((subscriber) => {
    const newest$ = multicast<BytesLike>({ replay: true });
    let begun = false;
    const next = (value: BytesLike): void => {
      newest$.next(value);
      if (begun) return;
      begun = true;
      subscriber.add(kept(key, newest$, options, context).subscribe(subscriber));
    };
    const error = (failure: unknown): void => subscriber.error(failure);
    const complete = (): void => {
      if (!begun) subscriber.complete();
    };
    subscriber.add(values.pipe(map(checkedValue)).subscribe({ next, error, complete }));
  });
  return events.pipe(takeUntilClosed(context.closed));
}

function checkedValue(value: BytesLike): BytesLike {
  checkArgument('announce', 'value', value, BYTES);
  return capturedBytes(value);
}

/** An event of the lease under which a key is announced. */
type LeaseLife = { readonly type: 'granted'; readonly id: LeaseId } | { readonly type: 'lost'; readonly error: EtcdError };

function kept(
  key: BytesLike,
  newest$: Observable<BytesLike>,
  { ttl = DEFAULT_ANNOUNCE_TTL, session }: AnnounceOptions,
  context: ConcurrencyContext,
): Observable<Announcement> {
  const name = toText(key);
  const leases: Observable<LeaseLife> =
    session === undefined
      ? heldLease({ ttl, onLost: 'regrant' }, context).pipe(
          // Other events are dropped: they would make `switchMap` cancel a pending write under the same lease.
          filter((event): event is LeaseEvent & LeaseLife => event.type === 'granted' || event.type === 'lost'),
        )
      : leaseOf(session, context);
  return defer(() => {
    let isThere = false;
    let everThere = false;
    const announcing = leases.pipe(
      switchMap((event): Observable<Announcement> => {
        if (event.type === 'lost') return of({ type: 'lost', key: name, error: event.error });
        const { id: lease } = event;
        const written =
          session === undefined ? newest$.pipe(mapNewest(keyWriter(key, lease, context))) : inSession(session, key, newest$, context);
        return written.pipe(
          map((revision): Announcement => ({ type: 'announced', key: name, lease, revision })),
          // The lease has already ended. The event `lost` and another lease follow.
          catchError((error: unknown) => (hasReason(error, 'LeaseNotFound') ? EMPTY : throwError(() => error))),
        );
      }),
      tap(({ type }) => {
        isThere = type === 'announced';
        everThere ||= isThere;
      }),
    );
    const lossOf = (error: unknown): Observable<Announcement> | undefined => {
      if (!isEtcdError(error) || !(isTransient(error) || (everThere && awaitsRepair(error)))) return undefined;
      // A write with unknown outcome may have been carried out. So its lease is revoked, and another one follows.
      const mayBeThere = isThere || hasReason(error, 'AmbiguousWrite');
      isThere = false;
      return mayBeThere ? of({ type: 'lost', key: name, error }) : EMPTY;
    };
    return restartAfterLoss(announcing, lossOf, context.settings);
  });
}

/** Emits the lease of a session. When the session ends, it emits `lost`, and then errors. */
function leaseOf(session: Session, { closed }: ConcurrencyContext): Observable<LeaseLife> {
  return new Observable((subscriber) => {
    const end = endOf(session);
    if (end !== undefined) return subscriber.error(end);
    const error = (failure: EtcdError): void => {
      subscriber.next({ type: 'lost', error: failure });
      subscriber.error(failure);
    };
    subscriber.add(errorAtEnd(session, closed).subscribe({ error }));
    subscriber.next({ type: 'granted', id: session.lease });
  });
}

/** The maximum number of attempts to find out whether a write was carried out, after the subscription has ended. */
const LATE_ATTEMPTS = 3;

/** Writes a key under the lease of a session, and deletes it when the subscription ends. */
function inSession(session: Session, key: BytesLike, newest$: Observable<BytesLike>, context: ConcurrencyContext): Observable<number> {
  const { cleanup, kv } = context;
  const { lease } = session;
  const place = `announced/${lease}/${toText(key)}`;
  return new Observable((subscriber) => {
    let left = false;
    let lateAttempts = LATE_ATTEMPTS;
    let pending: Observable<unknown> = of(undefined);
    const write = keyWriter(key, lease, context, () => left && lateAttempts-- <= 0);
    // A write that was sent may be carried out after the subscription has ended. So the deletion waits for the outcome
    // of the write.
    const untilKnown = (value: BytesLike): Observable<number> => {
      const outcome = new AsyncSubject<number>();
      pending = outcome;
      write(value).subscribe(outcome);
      return outcome;
    };
    subscriber.add(() => {
      left = true;
      if (isReleasedWith(session)) return;
      const remove = { compare: [on(key).lease.equals(lease)], success: [del(key)] as readonly Op[] };
      const over = pending.pipe(
        catchError(() => of(undefined)),
        defaultIfEmpty(undefined),
      );
      cleanup.run(over, () => retryCleanup(kv.txn(remove)), { key: toText(key) }, place);
    });
    // An earlier deletion of the same key may still be pending.
    const begun = cleanup.whenReleased(place).pipe(switchMap(() => newest$.pipe(mapNewest(untilKnown))));
    subscriber.add(begun.subscribe(subscriber));
  });
}

/**
 * Maps one value after the other. While a value is being processed, only the newest value that arrives is kept, and is
 * processed next.
 */
function mapNewest<T, R>(project: (value: T) => Observable<R>): OperatorFunction<T, R> {
  return (source) =>
    new Observable((subscriber) => {
      let waiting: readonly [T] | undefined;
      let busy = false;
      const error = (failure: unknown): void => subscriber.error(failure);
      const run = (value: T): void => {
        busy = true;
        const complete = (): void => {
          busy = false;
          const next = waiting;
          waiting = undefined;
          if (next !== undefined) run(next[0]);
        };
        subscriber.add(project(value).subscribe({ next: (result) => subscriber.next(result), error, complete }));
      };
      const next = (value: T): void => {
        if (busy) waiting = [value];
        else run(value);
      };
      subscriber.add(source.subscribe({ next, error }));
    });
}
