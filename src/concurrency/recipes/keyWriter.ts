import { catchError, defer, EMPTY, map, type Observable, of, switchMap, tap, throwError } from 'rxjs';
import { type EtcdError, hasReason, isEtcdError } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import type { LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import { get, key as on, put } from '../../model/op.js';
import type { KvService } from '../../services/kv.js';
import { retryTransient } from '../../watch/retryable.js';
import type { ConcurrencyContext } from '../context.js';

/** The state of a key, as it was read at a revision of the store. */
interface ReadState {
  /** The mod revision of the key; 0 if it does not exist. */
  readonly modRevision: number;
  readonly asOf: number;
}

const stateOf = (kv: KeyValue | undefined, asOf: number): ReadState => ({ modRevision: kv?.modRevision ?? 0, asOf });

/**
 * Creates a function that writes values to a key, one after the other. Each value is written exactly once, and replaces
 * any existing value. For each value, the Observable emits the revision of the write.
 *
 * Each put compares the mod revision that was read before. If the outcome of an attempt is unknown, the history of the
 * key is read. The history shows whether the put was carried out, even if the key was overwritten or deleted later.
 * Errors with `AmbiguousWrite` if the history is compacted, or too long.
 */
export function keyWriter(
  key: BytesLike,
  lease: LeaseId,
  { kv, settings }: ConcurrencyContext,
  isOver: () => boolean = () => false,
): (value: BytesLike) => Observable<number> {
  let known: ReadState | undefined;
  const readNow = kv.range({ key }).pipe(map(({ header, kvs }) => stateOf(kvs[0], header.revision)));
  return (value) =>
    defer(() => {
      let doubt: EtcdError | undefined;
      const write = (before: ReadState): Observable<number> => {
        if (isOver()) return EMPTY;
        const compare = [on(key).modRevision.equals(before.modRevision)];
        return kv.txn({ compare, success: [put(key, value, { lease })], failure: [get(key)] }).pipe(
          tap({
            error: (error: unknown) => {
              if (hasReason(error, 'AmbiguousWrite')) doubt = error;
            },
          }),
          switchMap((result) => {
            const { revision } = result.header;
            known = result.succeeded ? { modRevision: revision, asOf: revision } : stateOf(result.responses[0], revision);
            return result.succeeded ? of(revision) : write(known);
          }),
        );
      };
      const repeat = (before: ReadState, uncertain: EtcdError): Observable<number | EtcdError> =>
        readNow.pipe(
          switchMap((now) =>
            writtenBetween(before, now, key, lease, kv).pipe(
              // If the outcome stays unknown, the error is emitted as a value, so that it does not cause a retry.
              map((found) => (found === 'unknown' ? uncertain : found)),
              switchMap((found) => {
                known = now;
                doubt = undefined;
                return found === undefined ? write(now) : of(found);
              }),
            ),
          ),
        );
      const attempt = defer(() => {
        if (known === undefined) return readNow.pipe(switchMap((now) => write((known = now))));
        return doubt === undefined ? write(known) : repeat(known, doubt);
      });
      return retryTransient(attempt, settings).pipe(
        map((outcome) => {
          if (isEtcdError(outcome)) throw outcome;
          return outcome;
        }),
        // A user may have permission to write the key, but not to read it. In that case the put is sent at most once.
        catchError((error: unknown) =>
          hasReason(error, 'PermissionDenied')
            ? kv.put(key, value, { lease }).pipe(map(({ header }) => header.revision))
            : throwError(() => error),
        ),
      );
    });
}

/** The number of reads in one txn: half of the operations that a server accepts by default. */
const READS_OF_TXN = 64;
/** The maximum number of revisions at which a key is read to find its history. */
const MAX_REVISIONS = 2_048;

/**
 * Finds a put under this lease in the history of a key between two reads, and emits the revision of the put. Emits
 * undefined if there was no such put, and `unknown` if the history is compacted or too long.
 */
function writtenBetween(
  before: ReadState,
  now: ReadState,
  key: BytesLike,
  lease: LeaseId,
  kv: KvService,
): Observable<number | undefined | 'unknown'> {
  // A key that does not exist now may have been written and then deleted.
  if (now.modRevision === before.modRevision && now.modRevision !== 0) return of(undefined);
  const search = (from: number): Observable<number | undefined | 'unknown'> => {
    if (from > now.asOf) return of(undefined);
    if (from > before.asOf + MAX_REVISIONS) return of('unknown');
    const to = Math.min(from + READS_OF_TXN - 1, now.asOf);
    const reads = Array.from({ length: to - from + 1 }, (_, index) => get(key, { revision: from + index }));
    return kv.txn({ success: reads }).pipe(
      switchMap(({ responses }) => {
        const found = responses.find((at) => at?.lease === lease && at.modRevision > before.asOf);
        return found === undefined ? search(to + 1) : of(found.modRevision);
      }),
    );
  };
  return search(before.asOf + 1).pipe(
    catchError((error: unknown) => (hasReason(error, 'Compacted') ? of('unknown' as const) : throwError(() => error))),
  );
}
