import { AsyncSubject, concat, defer, EMPTY, filter, finalize, map, of, startWith, switchMap, takeUntil, tap, type Observable } from 'rxjs';
import type { BytesLike } from '../../model/bytes.js';
import type { LeaseId } from '../../model/ids.js';
import { LEASE, WHOLE, type OptionKinds } from '../../model/validate.js';
import { orClosed } from '../../model/closed.js';
import { persistently } from '../../watch/retryable.js';
import type { LeaseMeans } from '../lease/heldLease.js';
import { heldLease } from '../lease/lease.js';
import { lostOnceOwned } from '../loss.js';
import { checkName } from '../names.js';
import { awaitTurn, leavePlace, placeKey, takePlace, untilGone, type Place, type QueueMeans } from './waiterQueue.js';

/** What locks and elections work with. */
export interface TenureMeans extends QueueMeans {
  readonly leases: LeaseMeans;
}

/** What a place is held by. */
export interface TenureOptions {
  /** Seconds that ownership outlives its owner, should it die: the TTL of the lease behind it. 60 by default, as with `etcdctl`. */
  readonly ttl?: number;
  /**
   * A lease of your own instead: you refresh it, and it is not revoked. That it ended is known here when the server has deleted the key, not before, and `alive` does not look at
   * its time. Two who give the same lease for the same name have the same key, and own together.
   */
  readonly lease?: LeaseId;
}

export const TENURE: OptionKinds<TenureOptions> = { ttl: WHOLE, lease: LEASE };

/** A place that is held. */
export interface HeldPlace extends Place {
  /** Whether it is held for certain: by the clock, too, which a process that was stopped may ask before its timers run. */
  readonly alive: () => boolean;
}

/**
 * Emits a place, as `first`, when its turn has come, and makes sure that it is still there by then: `LockLost` where it is not. What a place waits for is each recipe's own.
 */
export type Turn = (means: TenureMeans, place: Place) => Observable<Place>;

/** What a place is taken for. */
export interface Bid {
  /** The folder of the queue. */
  readonly name: string;
  /** That of the key; empty by default. */
  readonly value?: BytesLike;
  /** By default that of a lock: nobody is before it any more. */
  readonly turn?: Turn;
}

const DEFAULT_TTL = 60;

/**
 * A place in a queue from the taking of it on: emitted when it is taken, and again (`first`) when its turn has come, which makes it the owner. It errors with
 * `LockLost` the moment that nobody can say any more that it is. Unsubscribing gives the place up.
 */
export function tenure(bid: Bid, { ttl = DEFAULT_TTL, lease }: TenureOptions, means: TenureMeans): Observable<HeldPlace> {
  return defer(() => {
    checkName('a lock or an election', bid.name);
    return lease === undefined ? byOwnLease(bid, ttl, means) : held(bid, lease, 'leave', means);
  }).pipe(
    // That a lease of the caller's own is not there is said as it is.
    lostOnceOwned(bid.name, lease === undefined ? ['LeaseLost', 'LeaseNotFound'] : []),
    takeUntil(means.leases.closed),
  );
}

/** As {@link tenure}, from when the turn has come. */
export function ownership(bid: Bid, options: TenureOptions, means: TenureMeans): Observable<HeldPlace> {
  return tenure(bid, options, means).pipe(
    filter(({ first }) => first),
    orClosed(),
  );
}

/** By a lease that is granted for it, and whose end ends it; the revocation deletes the key. */
function byOwnLease(bid: Bid, ttl: number, means: TenureMeans): Observable<HeldPlace> {
  return heldLease({ ttl }, means.leases).pipe(
    filter(({ type }) => type === 'granted'),
    switchMap(({ id, lease }) =>
      held(bid, id, 'revoked', means).pipe(map((place) => ({ ...place, alive: () => lease.alive && place.alive() }))),
    ),
  );
}

/** A key that is being put after its owner has left is waited for so often, to be deleted. */
const LATE_TRIES = 3;

function held(
  { name, value = '', turn = awaitTurn }: Bid,
  lease: LeaseId,
  release: 'leave' | 'revoked',
  means: TenureMeans,
): Observable<HeldPlace> {
  return defer(() => {
    const { releases, settings } = means.leases;
    const key = placeKey(name, lease);
    let left = false;
    let begun = false;
    let lateTries = release === 'leave' ? LATE_TRIES : 0;
    // It goes on when nobody waits for it any more: what was sent may yet be done, and has to be undone after that.
    const taken = new AsyncSubject<Place>();
    const attempt = defer(() => {
      if (left && (!begun || lateTries-- <= 0)) return EMPTY;
      begun = true;
      return takePlace(means, name, lease, value);
    });
    // By a lease of the caller's own it may be the key that was left a moment ago, which would be found, owned, and gone.
    const free = releases.whenGivenBack(key);
    free.pipe(switchMap(() => persistently(attempt, settings))).subscribe(taken);
    return taken.pipe(
      switchMap((place) => {
        const owned = turn(means, place).pipe(switchMap((first) => concat(of(first), untilGone(means, first))));
        return place.first ? owned : owned.pipe(startWith(place));
      }),
      map((place) => ({ ...place, alive: () => !left })),
      // For one who asks when he hears of it.
      tap({ error: () => (left = true) }),
      finalize(() => {
        left = true;
        if (release === 'leave') releases.run(taken.pipe(switchMap((place) => leavePlace(means, place))), key);
      }),
    );
  });
}
