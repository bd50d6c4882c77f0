import { AsyncSubject, defer, EMPTY, filter, finalize, map, of, repeat, switchMap, take, tap, type Observable } from 'rxjs';
import { key as on } from '../../model/compare.js';
import type { KeyValue } from '../../model/keyValue.js';
import { del, put, range, type RangeOptions } from '../../model/op.js';
import { orClosed } from '../../model/closed.js';
import type { RangeResponse } from '../../model/responses.js';
import { persistently } from '../../watch/retryable.js';
import type { TenureMeans } from '../lock/ownership.js';
import { orCompacted } from './waiting.js';

/**
 * Takes the first item of a queue, or waits for one: it emits one and completes. The item is deleted by a txn that holds only for the one who finds it as it was read, so
 * nobody else has it.
 *
 * @param order what comes first
 */
export function takeFirst(prefix: string, order: NonNullable<RangeOptions['sortTarget']>, means: TenureMeans): Observable<KeyValue> {
  return defer(() => {
    const { kv, watch } = means;
    const { settings } = means.leases;
    const head = { limit: 1, sortTarget: order, sortOrder: 'ASCEND' } as const;
    // Who comes too late is told what is the first now.
    let known: RangeResponse | undefined;

    const claim = (item: KeyValue): Observable<KeyValue | undefined> =>
      kv
        .txn({
          compare: [on(item.keyBytes).modRevision.equals(item.modRevision)],
          success: [del(item.keyBytes)],
          failure: [range({ prefix }, head)],
        })
        .pipe(
          map((result) => {
            if (result.succeeded) return item;
            known = { ...result.responses[0], header: result.header };
            return undefined;
          }),
        );

    const once = defer((): Observable<KeyValue | undefined> => {
      const first = known === undefined ? persistently(kv.range({ prefix }, head), settings) : of(known);
      known = undefined;
      return first.pipe(
        switchMap(({ kvs: [item], header }) => {
          if (item !== undefined) return unlessLeft(item, claim(item), means);
          const next = watch({ prefix }, { startRevision: header.revision + 1, noDelete: true }).pipe(
            take(1),
            orClosed(),
            map(() => undefined),
          );
          return orCompacted<undefined>(next, () => of(undefined));
        }),
      );
    });

    return once.pipe(
      repeat(),
      filter((item) => item !== undefined),
      take(1),
    );
  });
}

/** What is claimed for one who is gone by then is put back, where nobody else could have it. */
function unlessLeft(
  item: KeyValue,
  claim: Observable<KeyValue | undefined>,
  { kv, leases }: TenureMeans,
): Observable<KeyValue | undefined> {
  return defer(() => {
    let delivered = false;
    const claimed = new AsyncSubject<KeyValue | undefined>();
    claim.subscribe(claimed);
    return claimed.pipe(
      tap({
        next: () => (delivered = true),
        // Nobody knows whether it is taken: to put it back could make two of it.
        error: () => (delivered = true),
      }),
      finalize(() => {
        if (delivered) return;
        const back = kv.txn({ compare: [on(item.keyBytes).missing()], success: [put(item.keyBytes, item.valueBytes)] });
        leases.releases.run(claimed.pipe(switchMap((taken) => (taken === undefined ? EMPTY : back))));
      }),
    );
  });
}
