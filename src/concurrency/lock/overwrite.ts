import { defer, map, of, switchMap, tap, type Observable } from 'rxjs';
import { hasReason } from '../../errors/index.js';
import type { KvService } from '../../services/kv.js';
import { toBase64, type BytesLike } from '../../model/bytes.js';
import { get, key as on, put } from '../../model/op.js';
import type { LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { ResponseHeader } from '../../model/responses.js';

/** The state of a key at a revision of the store; `kv` is undefined if the key does not exist. */
export interface Seen {
  readonly header: ResponseHeader;
  readonly kv: KeyValue | undefined;
}

/**
 * Replaces the value of a key, at most once, and emits the key after that. The put is a txn that compares the key's mod
 * revision with the one that was read before. So a repeat does nothing if the first attempt was carried out, or if
 * another client has written to the key meanwhile.
 *
 * @returns one attempt, which may be repeated: it remembers the results of the attempts before it. Call this function
 * once per write.
 */
export function overwrite(kv: KvService, key: BytesLike, value: BytesLike, lease: LeaseId): Observable<Seen> {
  let seen: Seen | undefined;
  let inDoubt = false;
  const once: Observable<Seen> = defer(() =>
    (seen === undefined ? read(kv, key) : of(seen)).pipe(
      switchMap((before) => {
        seen = before;
        const { kv: standing } = before;
        if (standing !== undefined && holds(standing, value, lease)) return of(before);
        return kv
          .txn({
            compare: [on(key).modRevision.equals(standing?.modRevision ?? 0)],
            success: [put(key, value, { lease }), get(key)],
            failure: [get(key)],
          })
          .pipe(
            tap({ error: (error: unknown) => (inDoubt ||= hasReason(error, 'AmbiguousWrite')) }),
            switchMap(({ header, ...result }): Observable<Seen> => {
              if (result.succeeded) return of({ header, kv: result.responses[1] });
              // Our write was carried out, or another client has written since. In both cases it is not sent again.
              if (inDoubt) return of({ header, kv: result.responses[0] });
              // Another client wrote after the read. No write of ours was sent before, so it is sent again, as the
              // later write.
              seen = undefined;
              return once;
            }),
          );
      }),
    ),
  );
  return once;
}

const read = (kv: KvService, key: BytesLike): Observable<Seen> =>
  kv.range({ key }).pipe(map(({ header, kvs }) => ({ header, kv: kvs[0] })));

const holds = (kv: KeyValue, value: BytesLike, lease: LeaseId): boolean =>
  kv.lease === lease && toBase64(kv.valueBytes) === toBase64(value);
