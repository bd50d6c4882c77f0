import {
  AsyncSubject,
  catchError,
  concat,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  finalize,
  map,
  of,
  switchMap,
  takeUntil,
  throwError,
  type Observable,
} from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import { idToHex, type LeaseId } from '../../model/ids.js';
import { persistently } from '../../watch/passing.js';
import { heldLease } from '../leases.js';
import { takePlace, untilGone, type Place } from '../ownerQueue.js';
import { severalTries } from '../releases.js';
import type { HeldPlace, TenureMeans, TenureOptions } from '../tenure.js';

/** Emits when a place may act, of which it has to make sure that it is still there by then: {@link gone}. What it waits for is the recipe's own. */
export type Turn = (place: Place) => Observable<unknown>;

const DEFAULT_TTL = 60;

/**
 * A key `<folder>/<lease in hex>` that lives as long as it is subscribed to, emitted when its turn has come. It errors with `LockLost` the moment that nobody can say any
 * more that the key is there.
 */
export function seat(folder: string, { ttl = DEFAULT_TTL, lease }: TenureOptions, means: TenureMeans, turn: Turn): Observable<HeldPlace> {
  return defer(() => (lease === undefined ? byOwnLease(folder, ttl, means, turn) : taken(folder, lease, means, turn, true))).pipe(
    takeUntil(means.leases.closed),
  );
}

function byOwnLease(folder: string, ttl: number, means: TenureMeans, turn: Turn): Observable<HeldPlace> {
  return heldLease({ ttl }, means.leases).pipe(
    filter(({ type }) => type === 'granted'),
    switchMap(({ id, lease }) =>
      taken(folder, id, means, turn, false).pipe(map((place) => ({ ...place, alive: () => lease.alive && place.alive() }))),
    ),
    catchError((error: unknown) => throwError(() => (hasReason(error, 'LeaseLost', 'LeaseNotFound') ? lostWith(folder, error) : error))),
  );
}

/** @param deletes the key is deleted at the end; else the end of its lease does so */
function taken(folder: string, lease: LeaseId, means: TenureMeans, turn: Turn, deletes: boolean): Observable<HeldPlace> {
  return defer(() => {
    let left = false;
    // It goes on when nobody waits for it any more: what was sent may yet be done, and has to be undone after that.
    const place = new AsyncSubject<Place>();
    persistently(
      defer(() => (left ? EMPTY : takePlace(means, folder, lease, ''))),
      means.leases.settings,
    ).subscribe(place);
    return place.pipe(
      switchMap((mine) =>
        turn(mine).pipe(switchMap(() => concat(of({ ...mine, first: true, alive: () => !left }), untilGone(means, mine)))),
      ),
      finalize(() => {
        left = true;
        if (!deletes) return;
        const key = `${folder}/${idToHex(lease)}`;
        means.leases.releases.run(
          place.pipe(
            catchError(() => EMPTY),
            defaultIfEmpty(undefined),
            switchMap(() => severalTries(means.kv.delete({ key }))),
          ),
        );
      }),
    );
  });
}

/** What a turn errors with where the place is gone. */
export const gone = ({ key }: Place): EtcdError => new EtcdError('LockLost', `the key ${JSON.stringify(key)} is gone`);

const lostWith = (folder: string, cause: EtcdError): EtcdError =>
  new EtcdError('LockLost', `the key in ${JSON.stringify(folder)} is no longer there for certain: ${cause.message}`, { cause });
