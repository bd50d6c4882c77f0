import {
  AsyncSubject,
  catchError,
  defer,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  of,
  retry,
  startWith,
  switchMap,
  takeUntil,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import type { KeyValue } from '../../model/keyValue.js';
import { Backoff } from '../../util/retry.js';
import type { Identity } from '../../transport/node.js';
import { persistently } from '../../watch/retryable.js';
import type { HeldLease } from '../lease/heldLease.js';
import { adoptedLease, heldLease } from '../lease/lease.js';
import { lostOnceOwned } from '../loss.js';
import { checkName } from '../names.js';
import { awaitTurn, untilGone, type Place } from './waiterQueue.js';
import { createShared, dropPointer, joinShared, leaveShared, pointerOf, type SharedKeys } from '../sharedPlace.js';
import type { HeldPlace, TenureMeans, TenureOptions } from './ownership.js';

/**
 * Who may enter a lock that they hold already: all on the same host, all threads of the same process, or the code of one thread (the main one or a worker); or all
 * who give the same name.
 */
export type Reentrancy = 'host' | 'process' | 'thread' | { readonly holder: string };

/** What reentrant locks work with. */
export interface ReentrantMeans extends TenureMeans {
  readonly identity: () => Identity;
}

const DEFAULT_TTL = 60;

/** Whether a share was had is asked so often after its owner has left. After that the leases have to end it. */
const LATE_TRIES = 3;

/** Something has changed between two steps of entering: they are taken again. */
const AGAIN = new Error('it is entered again');

/**
 * As `tenure`, for one of many who share a place in the queue, each by a share with a lease of its own: who enters for a holder that has a place already gets a share of
 * it, and what it has reached. Each keeps the place's own lease alive. The last to leave gives the place up; the share of one who dies ends with its lease.
 */
export function sharedTenure(
  name: string,
  reentrant: Reentrancy,
  { ttl = DEFAULT_TTL, lease }: TenureOptions,
  means: ReentrantMeans,
): Observable<HeldPlace> {
  return defer(() => {
    checkName('a lock', name);
    const holder = holderOf(reentrant, means.identity);
    const enter = (share: SharedKeys['share'], alive: () => boolean): Observable<HeldPlace> =>
      entered({ name, holder, share }, ttl, means).pipe(map((place) => ({ ...place, alive: () => alive() && place.alive() })));
    if (lease !== undefined) return enter(lease, () => true);
    return heldLease({ ttl }, means.leases).pipe(
      filter(({ type }) => type === 'granted'),
      switchMap((granted) => enter(granted.id, () => granted.lease.alive)),
    );
  }).pipe(
    // That a lease of the caller's own is not there is said as it is.
    lostOnceOwned(name, lease === undefined ? ['LeaseLost', 'LeaseNotFound'] : ['LeaseLost']),
    takeUntil(means.leases.closed),
  );
}

function entered(keys: SharedKeys, ttl: number, means: ReentrantMeans): Observable<HeldPlace> {
  return defer(() => {
    const { releases, settings } = means.leases;
    const backoff = new Backoff(settings.initialBackoffMs, settings.maxBackoffMs);
    const pointer = defer(() => persistently(means.kv.get(pointerOf(keys)), settings));
    return releases.whenGivenBack(releaseOf(keys)).pipe(
      switchMap(() => pointer),
      switchMap((pointer) => (pointer === undefined ? begin(keys, ttl, means) : join(keys, pointer, means))),
      retry({ delay: (error: unknown) => (error === AGAIN ? timer(backoff.next()) : throwError(() => error)) }),
    );
  });
}

/** The first of a holder makes the place, under a lease that is everybody's: it is not revoked with the first to leave. */
function begin(keys: SharedKeys, ttl: number, means: ReentrantMeans): Observable<HeldPlace> {
  return heldLease({ ttl, release: 'keep' }, means.leases).pipe(
    filter(({ type }) => type === 'granted'),
    switchMap(({ id, lease }) => hold(keys, lease, means, createShared(means, keys, id), () => means.leases.service.revoke(id))),
  );
}

/** The place is kept alive first, and joined then: else it could end in between. */
function join(keys: SharedKeys, pointer: KeyValue, means: ReentrantMeans): Observable<HeldPlace> {
  const { lease: id } = pointer;
  // A key of this name that hangs on no lease was not made here.
  if (id === undefined) return throwError(() => new EtcdError('LockLost', `the key ${JSON.stringify(pointer.key)} hangs on no lease`));
  return adoptedLease(id, { release: 'keep' }, means.leases).pipe(
    catchError((error: unknown) => throwError(() => (hasReason(error, 'LeaseNotFound') ? AGAIN : error))),
    filter(({ type }) => type === 'granted'),
    switchMap(({ lease }) => hold(keys, lease, means, joinShared(means, keys, pointer, id), () => dropPointer(means, keys, pointer, id))),
  );
}

/**
 * Has a share from the taking of it on.
 *
 * @param take gives the place, or undefined where it could not be had
 * @param clear what is to be done in that case
 */
function hold(
  keys: SharedKeys,
  lease: HeldLease,
  means: ReentrantMeans,
  take: Observable<Place | undefined>,
  clear: () => Observable<unknown>,
): Observable<HeldPlace> {
  return defer(() => {
    let left = false;
    let lateTries = LATE_TRIES;
    // It goes on when nobody waits for it any more: what was sent may yet be done, and has to be undone after that.
    const taken = new AsyncSubject<Place | undefined>();
    const attempt = defer(() => (left && lateTries-- <= 0 ? EMPTY : take));
    persistently(attempt, means.leases.settings).subscribe(taken);
    return taken.pipe(
      switchMap((place) => {
        if (place === undefined) return throwError(() => AGAIN);
        const turn = place.first ? of(place) : awaitTurn(means, place).pipe(startWith(place));
        return merge(untilGone(means, place), turn);
      }),
      map((place) => ({ ...place, alive: () => !left && lease.alive })),
      finalize(() => {
        left = true;
        const undo = taken.pipe(
          catchError(() => of(undefined)),
          switchMap((place) => (place === undefined ? clear() : leaveShared(means, keys, place))),
        );
        means.leases.releases.run(undo, releaseOf(keys));
      }),
    );
  });
}

/** By the same lease, who comes back at once would find its share, and lose it to the end of the one before. */
const releaseOf = (keys: SharedKeys): string => `${pointerOf(keys)}/${keys.share}`;

function holderOf(reentrant: Reentrancy, identity: () => Identity): string {
  const given: unknown = reentrant;
  if (given === 'host' || given === 'process' || given === 'thread') return `${given}:${identity()[given]}`;
  if (typeof given === 'object' && given !== null && 'holder' in given && typeof given.holder === 'string' && given.holder !== '')
    return given.holder;
  throw new EtcdError('InvalidArgument', "reentrant is 'host', 'process', 'thread' or { holder }, a string that is not empty");
}
