import { catchError, of, switchMap, take, throwError, type Observable } from 'rxjs';
import { hasReason } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { orClosed } from '../../model/closed.js';
import { persistently } from '../../watch/retryable.js';
import type { QueueMeans } from '../lock/waiterQueue.js';

/** Goes on where the history that was to tell has been compacted away: by looking again. */
export function orCompacted<T>(source: Observable<T>, look: () => Observable<T>): Observable<T> {
  return source.pipe(catchError((error: unknown) => (hasReason(error, 'Compacted') ? look() : throwError(() => error))));
}

/** Emits once when there is no such key, be it that there was none. One that was made anew at another revision than `createRevision` is another. */
export function whenGone(means: QueueMeans, key: BytesLike, createRevision?: number): Observable<unknown> {
  return persistently(means.kv.range({ key }, { keysOnly: true }), means.leases.settings).pipe(
    switchMap(({ kvs: [kv], header }): Observable<unknown> => {
      if (kv === undefined || (createRevision !== undefined && kv.createRevision !== createRevision)) return of(undefined);
      const deletion = means.watch({ key }, { startRevision: header.revision + 1, noPut: true }).pipe(take(1));
      return orCompacted<unknown>(deletion, () => whenGone(means, key, kv.createRevision)).pipe(orClosed());
    }),
  );
}
