import { toBase64, toBytes, toText } from '../../model/bytes.js';
import { type Compare, del, key as on, type PutOptions, range, type RangeOp, type RangeOptions, type TxnSpec } from '../../model/op.js';
import { KeyValue } from '../../model/keyValue.js';
import { defer, filter, identity, map, of, repeat, switchMap, take, type Observable } from 'rxjs';
import { orClosed } from '../../model/closed.js';
import { retryTransient } from '../../watch/retryable.js';
import { acquireWithCompensation, sentOnce } from '../lease/cleanup.js';
import type { ConcurrencyContext } from '../context.js';
import { rereadIfCompacted } from '../lock/waiterQueue.js';

/** The order of a queue, and how an item is taken and put back where it was. */
export interface QueueOrder {
  readonly prefix: string;
  readonly order: NonNullable<RangeOptions['sortTarget']>;
  /** Makes further compares that hold as long as an item is the first, besides the one that it is unchanged. */
  readonly isFirst?: (stored: KeyValue) => readonly Compare[];
  /** Reads the items that come before all others, if there are any. */
  readonly before?: RangeOp;
  /** Returns an item as it was enqueued. */
  readonly read?: (stored: KeyValue) => KeyValue;
  /** Makes the txn that puts an item back, and does nothing if the item exists. */
  readonly putBack: (item: KeyValue) => TxnSpec;
}

/**
 * Takes the first item of a queue, or waits for one; emits it, and completes. A txn deletes the item only if it is
 * unchanged since it was read, so that only one consumer takes it.
 */
export function takeFirst(queue: QueueOrder, context: ConcurrencyContext): Observable<KeyValue> {
  const { prefix, order, isFirst = () => [], before, read = identity } = queue;
  return defer(() => {
    const { kv, watch, settings } = context;
    const head = { limit: 1, sortTarget: order, sortOrder: 'ASCEND' } as const;
    const heads = before === undefined ? [range({ prefix }, head)] : [before, range({ prefix }, head)];
    // After a conflict, the response of the txn has the item that is the first now.
    let known: { readonly item: KeyValue | undefined; readonly revision: number } | undefined;

    const takeIfFirst = (stored: KeyValue): Observable<KeyValue | undefined> =>
      kv
        .txn({
          compare: [on(stored.keyBytes).modRevision.equals(stored.modRevision), ...isFirst(stored)],
          success: [del(stored.keyBytes)],
          failure: heads,
        })
        .pipe(
          map((result) => {
            if (result.succeeded) return read(stored);
            const [item] = result.responses.flatMap(({ kvs }) => kvs);
            known = { item, revision: result.header.revision };
            return undefined;
          }),
        );

    const once = defer((): Observable<KeyValue | undefined> => {
      const look = kv.range({ prefix }, head).pipe(map(({ kvs: [item], header }) => ({ item, revision: header.revision })));
      const first = known === undefined ? retryTransient(look, settings) : of(known);
      known = undefined;
      return first.pipe(
        switchMap(({ item, revision }) => {
          if (item !== undefined) return takeOrPutBack(takeIfFirst(item), item.key, queue, context);
          const next = watch({ prefix }, { startRevision: revision + 1, noDelete: true }).pipe(
            take(1),
            orClosed(),
            map(() => undefined),
          );
          return rereadIfCompacted<undefined>(next, () => of(undefined));
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

/**
 * Takes an item, and puts it back if the consumer has unsubscribed by then. The put is sent at most once: a repeat
 * could add an item again that another consumer has taken since.
 */
function takeOrPutBack(
  take: Observable<KeyValue | undefined>,
  key: string,
  { putBack }: QueueOrder,
  { kv, cleanup }: ConcurrencyContext,
): Observable<KeyValue | undefined> {
  return acquireWithCompensation({
    acquire: () => take,
    use: (taken) => of(taken),
    release: (takenItem, state) => {
      // After a failure it is unknown whether the item was taken: putting it back could duplicate it.
      if (state !== 'pending') return;
      cleanup.run(takenItem, (taken) => (taken === undefined ? undefined : sentOnce(kv.txn(putBack(taken)))), { key });
    },
  });
}

/** Returns the options that put an item back under the lease that it had. */
export const leaseOption = ({ lease }: KeyValue): PutOptions => (lease === undefined ? {} : { lease });

/**
 * Items of a queue that are put back, because their consumer had unsubscribed when they were taken. A queue is ordered
 * by revisions, and an item that is written again gets a new one. So these items go into a separate folder,
 * `<name>/.returned/<revision, 16 digits>/<rest of the key>`, from which items are taken first. This keeps the order:
 * an item that was taken was the first, and all items that are in the queue now came after it.
 */
const FOLDER = '.returned/';
const DIGITS = 16;

/** Returns the folder of a queue with this prefix. */
export const returnedFolder = (prefix: string): string => prefix + FOLDER;

/** Returns the key under which an item is put back. */
export function returnKey(prefix: string, item: KeyValue): Uint8Array {
  const head = toBytes(`${returnedFolder(prefix)}${String(item.modRevision).padStart(DIGITS, '0')}/`);
  return joined(head, item.keyBytes.subarray(toBytes(prefix).length));
}

/** Makes a compare that holds as long as no item that comes before this one was put back. */
export function noneReturnedBefore(prefix: string, { keyBytes }: KeyValue): Compare {
  const from = returnedFolder(prefix);
  return isReturned(prefix, keyBytes) ? on({ from, to: keyBytes }).missing() : on({ prefix: from }).missing();
}

/** Returns an item as it was enqueued, even if it was put back since. */
export function asEnqueued(prefix: string, stored: KeyValue): KeyValue {
  const { keyBytes } = stored;
  if (!isReturned(prefix, keyBytes)) return stored;
  const folder = toBytes(returnedFolder(prefix)).length;
  const revision = Number(toText(keyBytes.subarray(folder, folder + DIGITS)));
  return new KeyValue({
    key64: toBase64(joined(toBytes(prefix), keyBytes.subarray(folder + DIGITS + 1))),
    value64: toBase64(stored.valueBytes),
    createRevision: revision,
    modRevision: revision,
    version: 1,
    lease: stored.lease,
  });
}

/** Tells whether a key was made by {@link returnKey}. */
function isReturned(prefix: string, key: Uint8Array): boolean {
  const folder = toBytes(returnedFolder(prefix));
  const isBelow = key.length > folder.length && folder.every((byte, index) => key[index] === byte);
  return isBelow && /^\d{16}\/$/.test(toText(key.subarray(folder.length, folder.length + DIGITS + 1)));
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
