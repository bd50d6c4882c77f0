import { map, of, switchMap, type Observable } from 'rxjs';
import { key as on, type Compare } from '../model/compare.js';
import { idToHex, type LeaseId } from '../model/ids.js';
import type { KeyValue } from '../model/keyValue.js';
import { del, get, put, range, type Op } from '../model/op.js';
import { prefixEnd } from '../model/range.js';
import { guardOf, placeKey, type Place, type QueueMeans } from './lock/waiterQueue.js';
import { severalTries } from './lease/cleanup.js';
import type { LeaseMeans } from './lease/heldLease.js';

/**
 * A place in a queue that several share. The place is a key `<name>/<lease in hex>` like any other, so that it excludes and is excluded by all that keep to that
 * layout. Beside it, under `<name>.shares/`:
 * - `<holder>`: the pointer, made with the place and under its lease, so that a holder has one place at the most
 * - `<holder>/<lease of the place in hex>/<lease of the share in hex>`: a share, under a lease of its own
 */

/** Whose share of which lock it is. */
export interface SharedKeys {
  readonly name: string;
  readonly holder: string;
  /** The lease of the share. */
  readonly share: LeaseId;
}

const escaped = (holder: string): string => holder.replaceAll('%', '%25').replaceAll('/', '%2F');

export const pointerOf = ({ name, holder }: SharedKeys): string => `${name}.shares/${escaped(holder)}`;

const placeOf = ({ name }: SharedKeys, lease: LeaseId): string => placeKey(name, lease);

const sharesOf = (keys: SharedKeys, lease: LeaseId): string => `${pointerOf(keys)}/${idToHex(lease)}/`;

const shareOf = (keys: SharedKeys, lease: LeaseId): string => sharesOf(keys, lease) + idToHex(keys.share);

const ownerOf = ({ name }: SharedKeys) => range({ prefix: `${name}/` }, { limit: 1, sortTarget: 'CREATE', sortOrder: 'ASCEND' });

/** Makes the place with a first share; undefined where the holder has one already. One that was made is found again: it may be asked repeatedly. */
export function createShared({ kv }: QueueMeans, keys: SharedKeys, lease: LeaseId): Observable<Place | undefined> {
  const pointer = pointerOf(keys);
  const place = placeOf(keys, lease);
  const make = [
    put(place, keys.holder, { lease }),
    put(pointer, idToHex(lease), { lease }),
    put(shareOf(keys, lease), '', { lease: keys.share }),
    ownerOf(keys),
  ] as const;
  return kv.txn({ compare: [on(pointer).missing()], success: make, failure: [get(place), ownerOf(keys)] }).pipe(
    map((result) => {
      if (result.succeeded) return toPlace(keys, lease, result.header.revision, result.header.revision, result.responses[3].kvs[0]);
      const [made, { kvs }] = result.responses;
      return made && toPlace(keys, lease, made.createRevision, result.header.revision, kvs[0]);
    }),
  );
}

/** Takes a share of the place behind a pointer; undefined where it is gone. */
export function joinShared(
  { kv }: QueueMeans,
  keys: SharedKeys,
  { createRevision }: KeyValue,
  lease: LeaseId,
): Observable<Place | undefined> {
  const compare = [pointerOf(keys), placeOf(keys, lease)].map((key) => on(key).createRevision.equals(createRevision));
  return kv
    .txn({ compare, success: [put(shareOf(keys, lease), '', { lease: keys.share }), ownerOf(keys)] })
    .pipe(
      map((result) =>
        result.succeeded ? toPlace(keys, lease, createRevision, result.header.revision, result.responses[1].kvs[0]) : undefined,
      ),
    );
}

/** Removes a pointer whose place somebody has deleted. */
export function dropPointer({ kv }: QueueMeans, keys: SharedKeys, { createRevision }: KeyValue, lease: LeaseId): Observable<unknown> {
  const pointer = pointerOf(keys);
  return kv.txn({
    compare: [on(pointer).createRevision.equals(createRevision), on(placeOf(keys, lease)).missing()],
    success: [del(pointer)],
  });
}

/** Gives a share up, and with the last one the place. */
export function leaveShared(
  { kv, leases }: QueueMeans & { readonly leases: Pick<LeaseMeans, 'service'> },
  keys: SharedKeys,
  place: Place,
): Observable<unknown> {
  const { lease } = place;
  const mine = shareOf(keys, lease);
  const all = sharesOf(keys, lease);
  const alone: readonly Compare[] = [on({ from: all, to: mine }).missing(), on({ from: `${mine}\0`, to: prefixEnd(all) }).missing()];
  const last: readonly Op[] = [del(mine), del(place.key), del(pointerOf(keys))];
  return severalTries(kv.txn({ compare: [guardOf(place), ...alone], success: last, failure: [del(mine)] })).pipe(
    // Nothing hangs on it any more.
    switchMap(({ succeeded }) => (succeeded ? severalTries(leases.service.revoke(lease)) : of(undefined))),
  );
}

function toPlace(keys: SharedKeys, lease: LeaseId, revision: number, seenAt: number, owner: KeyValue | undefined): Place {
  return {
    name: keys.name,
    key: placeOf(keys, lease),
    lease,
    revision,
    seenAt,
    first: owner === undefined || owner.createRevision === revision,
  };
}
