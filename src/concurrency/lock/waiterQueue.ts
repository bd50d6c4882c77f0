import { catchError, map, of, switchMap, take, throwError, type Observable } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import type { Kv } from '../../services/kv.js';
import type { BytesLike } from '../../model/bytes.js';
import { key as on, type Compare } from '../../model/compare.js';
import { idToHex, type LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import { del, get, put, range, type Op } from '../../model/op.js';
import { persistently } from '../../watch/retryable.js';
import type { WatchOptions, Watches } from '../../watch/watch.js';
import type { LeaseMeans } from '../lease/heldLease.js';
import { severalTries } from '../lease/cleanup.js';

/**
 * The queue behind locks and elections, in the layout of etcd's Go client and `etcdctl`: a key `<name>/<lease in hex>` for each who wants to own, and the
 * one with the lowest create revision owns. Each waits for the key before its own alone, so that no herd runs when one goes.
 */

/** What a queue works with. */
export interface QueueMeans {
  readonly kv: Kv;
  readonly watch: Watches['watch'];
  readonly leases: Pick<LeaseMeans, 'settings'>;
}

/** A place in a queue: a key of one's own that lives as long as its lease. */
export interface Place {
  readonly name: string;
  readonly key: string;
  readonly lease: LeaseId;
  /** The revision at which the key was created. It grows from owner to owner: a fencing token. */
  readonly revision: number;
  /** The store's revision when this was known. */
  readonly seenAt: number;
  /** Nobody was before it. */
  readonly first: boolean;
}

/** Holds as long as the place is there. */
export const guardOf = ({ key, revision }: Pick<Place, 'key' | 'revision'>): Compare => on(key).createRevision.equals(revision);

/** The key of a place. */
export const placeKey = (name: string, lease: LeaseId): string => `${name}/${idToHex(lease)}`;

/** Takes a place, or finds the one that the lease has already: so it may be asked again where nobody knows whether it was. One try. */
export function takePlace({ kv }: QueueMeans, name: string, lease: LeaseId, value: BytesLike): Observable<Place> {
  const key = placeKey(name, lease);
  const owner = range({ prefix: `${name}/` }, { limit: 1, sortTarget: 'CREATE', sortOrder: 'ASCEND' });
  return kv
    .txn({ compare: [on(key).createRevision.equals(0)], success: [put(key, value, { lease }), owner], failure: [get(key), owner] })
    .pipe(
      map((result) => {
        const revision = result.succeeded ? result.header.revision : (result.responses[0]?.createRevision ?? result.header.revision);
        const first = result.responses[1].kvs[0];
        return {
          name,
          key,
          lease,
          revision,
          seenAt: result.header.revision,
          first: first === undefined || first.createRevision === revision,
        };
      }),
    );
}

/** Emits once when the place is the first, and completes. `LockLost` where the place is gone by then. */
export function awaitTurn(means: QueueMeans, place: Place): Observable<Place> {
  return place.first ? of(place) : awaitRivals(means, place, place.name);
}

/** As {@link awaitTurn}, when none of the keys of a folder that came before the place is left. */
export function awaitRivals(means: QueueMeans, place: Place, folder: string): Observable<Place> {
  const before = { limit: 1, sortTarget: 'CREATE', sortOrder: 'DESCEND', maxCreateRevision: place.revision - 1, keysOnly: true } as const;
  // What is before me, and whether I am still here, as of one revision.
  const look = means.kv.txn({ success: [get(place.key), range({ prefix: `${folder}/` }, before)] });
  return persistently(look, means.leases.settings).pipe(
    switchMap((result) => {
      const [mine, { kvs }] = result.responses as readonly [KeyValue | undefined, { readonly kvs: readonly KeyValue[] }];
      if (mine?.createRevision !== place.revision) return throwError(() => gone(place));
      const seenAt = result.header.revision;
      const [last] = kvs;
      if (last === undefined) return of({ ...place, seenAt, first: true });
      return deletionOf(means, last.keyBytes, last.createRevision, seenAt).pipe(switchMap(() => awaitRivals(means, place, folder)));
    }),
  );
}

/** Errors with `LockLost` when the key of the place is deleted; emits nothing. */
export function untilGone(means: QueueMeans, place: Place): Observable<never> {
  return deletionOf(means, place.key, place.revision, place.seenAt).pipe(switchMap(() => throwError(() => gone(place))));
}

/** Gives the place up: only this one, should the key have been made anew. */
export function leavePlace({ kv }: QueueMeans, place: Place): Observable<unknown> {
  return severalTries(kv.txn({ compare: [guardOf(place)], success: [del(place.key)] as readonly Op[] }));
}

/** Emits once when the key that was created at a revision, and was there at a later one, is deleted. */
function deletionOf(means: QueueMeans, key: BytesLike, createRevision: number, seenAt: number): Observable<unknown> {
  const options: WatchOptions = { startRevision: seenAt + 1, noPut: true };
  return means.watch({ key }, options).pipe(
    take(1),
    catchError((error: unknown) => {
      if (!hasReason(error, 'Compacted')) return throwError(() => error);
      // The history is gone: whether the key is there still tells as much. One that was made anew since is another's.
      return persistently(means.kv.range({ key }, { keysOnly: true }), means.leases.settings).pipe(
        switchMap(({ kvs, header }) =>
          kvs[0]?.createRevision === createRevision ? deletionOf(means, key, createRevision, header.revision) : of(undefined),
        ),
      );
    }),
  );
}

/** What a place ends in whose key is gone. */
export const gone = ({ key }: Place): EtcdError => new EtcdError('LockLost', `the key ${JSON.stringify(key)} that stands for it is gone`);
