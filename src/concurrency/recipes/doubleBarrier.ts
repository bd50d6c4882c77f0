import { catchError, defer, EMPTY, map, of, Subject, switchMap, take, takeUntil, tap, throwError, type Observable } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import { checkArgument, checkOptions, WHOLE } from '../../model/validate.js';
import { del, get, range } from '../../model/op.js';
import { persistently } from '../../watch/retryable.js';
import { checkName } from '../names.js';
import { gone, guardOf, type Place } from '../lock/waiterQueue.js';
import { ownership, TENURE, type HeldPlace, type TenureMeans, type TenureOptions, type Turn } from '../lock/ownership.js';
import { orCompacted, whenGone } from './waiting.js';

/** One who is in a double barrier, together with all others. */
export interface Entered {
  readonly name: string;
  /** The key that stands for it. */
  readonly key: string;
  /** Waits until all want to leave, or are dead; then it emits once, and the stream of `enter` completes. */
  leave(): Observable<void>;
}

/** A double barrier: so many begin together, and end together. */
export interface DoubleBarrier {
  readonly name: string;
  readonly count: number;
  /**
   * Emits when so many have entered. One is in it as long as this is subscribed to; unsubscribing leaves without waiting for the others. `Locked` for one too many; `LockLost` the
   * moment that it can no longer be sure to be in it.
   */
  enter(options?: TenureOptions): Observable<Entered>;
}

/** The double barriers of a client. */
export interface DoubleBarriers {
  /**
   * A barrier that lets so many in at once, and out at once. Compatible with `DoubleBarrier` of etcd's Go recipes (`<name>/waiters/…`, `<name>/ready`).
   *
   * ```ts
   * etcd.doubleBarrier('round', 3).enter().pipe(switchMap((round) => concat(play(), round.leave()))).subscribe();
   * ```
   */
  doubleBarrier(name: string, count: number): DoubleBarrier;
}

/** The double barriers of a client. */
export function doubleBarriers(means: TenureMeans): DoubleBarriers {
  return {
    doubleBarrier: (name, count) => {
      checkName('a double barrier', name);
      checkArgument('doubleBarrier', 'count', count, WHOLE);
      return { name, count, enter: (options = {}) => entered(name, count, options, means) };
    },
  };
}

const waiters = (name: string): string => `${name}/waiters`;
const ready = (name: string): string => `${name}/ready`;

function entered(name: string, count: number, options: TenureOptions, means: TenureMeans): Observable<Entered> {
  return defer(() => {
    let leaving = false;
    const left = new Subject<void>();
    const leave = (place: HeldPlace): Observable<void> =>
      defer(() => {
        leaving = true;
        return untilAllLeft(name, place, means).pipe(tap(() => left.next()));
      });
    return ownership({ name: waiters(name), turn: untilComplete(name, count) }, checkOptions('enter', options, TENURE), means).pipe(
      map((place) => ({ name, key: place.key, leave: () => leave(place) })),
      // One's own key goes before the last has left.
      catchError((error: unknown) => (leaving && hasReason(error, 'LockLost') ? EMPTY : throwError(() => error))),
      takeUntil(left),
    );
  });
}

/** Emits when all are there, which the last to come says by a key: each has come before that key was written. */
function untilComplete(name: string, count: number): Turn {
  const all = range({ prefix: `${waiters(name)}/` }, { sortTarget: 'CREATE', sortOrder: 'ASCEND', limit: count, keysOnly: true });
  return function turn(means, place) {
    const { kv, watch } = means;
    const { settings } = means.leases;
    return persistently(kv.txn({ success: [get(ready(name)), get(place.key), all] }), settings).pipe(
      switchMap(({ header, responses }): Observable<Place> => {
        const [said, own] = responses;
        if (own?.createRevision !== place.revision) return throwError(() => gone(place));
        const mine = { ...place, seenAt: header.revision, first: true };
        if (said !== undefined && said.modRevision > place.revision) return of(mine);
        const { kvs } = responses[2] ?? { kvs: [] };
        const index = kvs.findIndex(({ createRevision }) => createRevision === place.revision);
        if (index < 0)
          return throwError(() => new EtcdError('Locked', `the double barrier ${JSON.stringify(name)} has its ${count} already`));
        if (index === count - 1) return persistently(kv.put(ready(name), ''), settings).pipe(map(() => mine));
        const word = watch(ready(name), { startRevision: header.revision + 1, noDelete: true }).pipe(take(1));
        return orCompacted<unknown>(word, () => of(undefined)).pipe(switchMap(() => turn(means, place)));
      }),
    );
  };
}

/**
 * The one who came first stays until all others have gone, and they wait for it: each waits for one key, and the end of a lease is as good as leaving.
 */
function untilAllLeft(name: string, place: Place, means: TenureMeans): Observable<void> {
  const { kv } = means;
  const { settings } = means.leases;
  const again = (): Observable<void> => untilAllLeft(name, place, means);
  return persistently(
    kv.range({ prefix: `${waiters(name)}/` }, { sortTarget: 'CREATE', sortOrder: 'ASCEND', keysOnly: true }),
    settings,
  ).pipe(
    switchMap(({ kvs }): Observable<void> => {
      const first = kvs[0];
      const last = kvs.at(-1);
      if (first === undefined || last === undefined) return of(undefined);
      if (first.createRevision !== place.revision) {
        const mine = kv.txn({ compare: [guardOf(place)], success: [del(place.key)] });
        return persistently(mine, settings).pipe(
          switchMap(() => whenGone(means, first.keyBytes, first.createRevision)),
          switchMap(again),
        );
      }
      if (last !== first) return whenGone(means, last.keyBytes, last.createRevision).pipe(switchMap(again));
      const end = kv.txn({ compare: [guardOf(place)], success: [del(ready(name)), del(place.key)] });
      return persistently(end, settings).pipe(map(() => undefined));
    }),
  );
}
