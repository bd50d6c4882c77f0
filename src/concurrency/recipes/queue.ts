import { asyncScheduler, defer, map, type Observable, switchMap, filter, identity, of, repeat, take } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import { type BytesLike, toBase64, toBytes, toText } from '../../model/bytes.js';
import { BYTES, checkArgument, wholeNumber } from '../../model/validate.js';
import {
  get,
  key as on,
  put,
  range,
  type Compare,
  del,
  type PutOptions,
  type RangeOp,
  type RangeOptions,
  type TxnSpec,
} from '../../model/op.js';
import { KeyValue } from '../../model/keyValue.js';
import { retryTransient } from '../../watch/retryable.js';
import { retryOptimistically } from '../transaction/update.js';
import { checkedArguments } from '../arguments.js';
import type { ConcurrencyContext } from '../context.js';
import { throwIfClosed } from '../../util/rx.js';
import { acquireWithCompensation } from '../lease/acquisition.js';
import { sentOnce } from '../lease/cleanup.js';
import { rereadIfCompacted } from '../lock/waiterQueue.js';

/** The key and the revision of an item that was added to a queue. */
export interface EnqueueResult {
  readonly key: string;
  readonly revision: number;
}

/** A queue: first in, first out. */
export interface Queue {
  readonly name: string;
  /**
   * Adds an item at the end, at most once. Errors with `AmbiguousWrite` if it is unknown whether the item was added.
   */
  enqueue(value: BytesLike): Observable<EnqueueResult>;
  /**
   * Takes the first item, or waits for an item. Emits the item, and completes. Each item is taken by only one consumer,
   * and is deleted from the queue at that moment. If the consumer crashes, the item is lost. If a consumer unsubscribes
   * while an item is being taken for it, the item is put back at its old position. Errors with `AmbiguousWrite` if it
   * is unknown whether an item was taken. Needs etcd 3.3 or newer.
   */
  dequeue(): Observable<KeyValue>;
}

/** Creates the method `queue`. */
export function queues(context: ConcurrencyContext): (name: string) => Queue {
  return (name) => {
    checkedArguments.queue(name);
    return {
      name,
      enqueue: (value) =>
        defer(() => {
          const key = `${name}/${unique()}`;
          return context.kv.txn({ compare: [on(key).missing()], success: [put(key, value)] }).pipe(
            map(({ succeeded, header }) => {
              if (!succeeded) throw new EtcdError('Conflict', `the key ${JSON.stringify(key)} exists already`);
              return { key, revision: header.revision };
            }),
          );
        }),
      dequeue: () => takeFirst(byAge(`${name}/`), context),
    };
  };
}

function byAge(prefix: string): QueueOrder {
  return {
    prefix,
    order: 'MOD',
    isFirst: (stored) => [noneReturnedBefore(prefix, stored)],
    before: range({ prefix: returnedFolder(prefix) }, { limit: 1, sortTarget: 'KEY', sortOrder: 'ASCEND' }),
    read: (stored) => asEnqueued(prefix, stored),
    putBack: (item) => {
      const key = returnKey(prefix, item);
      return { compare: [on(key).missing()], success: [put(key, item.valueBytes, leaseOption(item))] };
    },
  };
}

/**
 * Returns a unique part of a key: the time, for readability, and 64 random bits. It does not affect the order of a
 * queue, as a queue is ordered by revisions.
 */
function unique(): string {
  const chance = crypto.getRandomValues(new Uint32Array(2));
  return `${asyncScheduler.now()}-${Array.from(chance, (part) => part.toString(16).padStart(8, '0')).join('')}`;
}

/** A queue that is ordered by priority, and then by age. The item with the lowest priority number is the first. */
export interface PriorityQueue {
  readonly name: string;
  /**
   * Adds an item after the items of the same priority, at most once. The priority is a number from 0 (first) to 65 535.
   * Errors with `AmbiguousWrite` if it is unknown whether the item was added.
   */
  enqueue(value: BytesLike, priority: number): Observable<EnqueueResult>;
  /** Takes the first item, as `dequeue` of a queue does. */
  dequeue(): Observable<KeyValue>;
}

const MAX_PRIORITY = 65_535;
const PRIORITY = wholeNumber(0, MAX_PRIORITY);

/**
 * The maximum number of attempts to enqueue. In each round, one of the competing clients succeeds. So this number is
 * not reached in practice.
 */
const MAX_ENQUEUE_ATTEMPTS = 10_000;

/** Creates the method `priorityQueue`. */
export function priorityQueues(context: ConcurrencyContext): (name: string) => PriorityQueue {
  return (name) => {
    checkedArguments.priorityQueue(name);
    return {
      name,
      enqueue: (value, priority) =>
        defer(() => {
          checkArgument('enqueue', 'value', value, BYTES);
          checkArgument('enqueue', 'priority', priority, PRIORITY);
          const folder = `${name}/${String(priority).padStart(5, '0')}`;
          return retryOptimistically('enqueue', { maxAttempts: MAX_ENQUEUE_ATTEMPTS }, () => append(folder, value, context));
        }),
      dequeue: () => takeFirst(byPriority(`${name}/`), context),
    };
  };
}

function byPriority(prefix: string): QueueOrder {
  return {
    prefix,
    order: 'KEY',
    // The key of an item decides its position, so the item is put back under the same key. Only the Go recipes may have
    // used its number for a new item meanwhile. In that case, the item is put back next to the new item.
    putBack: (item) => ({
      compare: [on(item.keyBytes).missing()],
      success: [put(item.keyBytes, item.valueBytes, leaseOption(item))],
      failure: [put(`${item.key}.${item.modRevision}`, item.valueBytes, leaseOption(item))],
    }),
  };
}

/**
 * Creates the key with the next number. Emits undefined if another client has created a key meanwhile. Each enqueue
 * also writes the key `__<folder>`, and the txn compares that this key was not written since the read. A compare of the
 * last item would not be enough: if that item was taken meanwhile, its number would be used twice. The value of
 * `__<folder>` is the last number. So the number of a taken item is not used again, and the item can still be put back.
 */
function append(folder: string, value: BytesLike, { kv, settings }: ConcurrencyContext): Observable<EnqueueResult | undefined> {
  const base = `__${folder}`;
  const last = range({ prefix: `${folder}/` }, { limit: 1, sortTarget: 'KEY', sortOrder: 'DESCEND', keysOnly: true });
  return retryTransient(kv.txn({ success: [last, get(base)] }), settings).pipe(
    switchMap(({ responses: [present, counter], header }) => {
      const number = Math.max(numberAfter(present?.kvs[0]), numberAfterCounter(counter));
      const key = `${folder}/${String(number).padStart(16, '0')}`;
      return kv
        .txn({ compare: [on(base).modRevision.less(header.revision + 1)], success: [put(base, String(number)), put(key, value)] })
        .pipe(map(({ succeeded, header: { revision } }) => (succeeded ? { key, revision } : undefined)));
    }),
  );
}

function numberAfter(last: KeyValue | undefined): number {
  if (last === undefined) return 0;
  const digits = /\/(\d+)(?:\.\d+)?$/.exec(last.key)?.[1];
  if (digits === undefined)
    throw new EtcdError('InvalidArgument', `priority queue: expected keys that end in a number, received ${JSON.stringify(last.key)}`);
  return Number(digits) + 1;
}

/** Returns the number after the one in the counter. If the counter is empty, as in the Go recipes, returns 0. */
const numberAfterCounter = (counter: KeyValue | undefined): number => (/^\d+$/.test(counter?.value ?? '') ? Number(counter?.value) + 1 : 0);

/** The order of a queue, and the way in which an item is put back at its old position. */
export interface QueueOrder {
  readonly prefix: string;
  readonly order: NonNullable<RangeOptions['sortTarget']>;
  /**
   * Returns compares for taking an item, in addition to the compare that the item is unchanged. They are true as long
   * as the item is the first one.
   */
  readonly isFirst?: (stored: KeyValue) => readonly Compare[];
  /** The operation that reads the first of the items that come before all others, if there are such items. */
  readonly before?: RangeOp;
  /** Returns an item as it was added to the queue. */
  readonly read?: (stored: KeyValue) => KeyValue;
  /** Returns the txn that puts an item back. */
  readonly putBack: (item: KeyValue) => TxnSpec;
}

/**
 * Takes the first item of a queue, or waits for an item. Emits the item, and completes. A txn deletes the item only if
 * it is unchanged since it was read, so that only one consumer takes it.
 */
export function takeFirst(queue: QueueOrder, context: ConcurrencyContext): Observable<KeyValue> {
  const { prefix, order, isFirst = () => [], before, read = identity } = queue;
  return defer(() => {
    const { kv, watchAfter, settings } = context;
    const head = { limit: 1, sortTarget: order, sortOrder: 'ASCEND' } as const;
    const heads = before === undefined ? [range({ prefix }, head)] : [before, range({ prefix }, head)];
    // After a conflict, the response of the txn contains the item that is the first one now.
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
          const next = watchAfter({ prefix }, revision, { noDelete: true }).pipe(
            take(1),
            throwIfClosed(),
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
 * Takes an item, and puts it back if the consumer has unsubscribed meanwhile. The put is sent at most once: a second
 * put could add an item again that another consumer has already taken.
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
      // After a failure it is unknown whether the item was taken. If the item was not taken, putting it back would
      // duplicate it.
      if (state !== 'pending') return;
      cleanup.run(takenItem, (taken) => (taken === undefined ? undefined : sentOnce(kv.txn(putBack(taken)))), { key });
    },
  });
}

/** Returns the options for putting an item back under its old lease. */
export const leaseOption = ({ lease }: KeyValue): PutOptions => (lease === undefined ? {} : { lease });

/**
 * The folder of items that were put back, because their consumer had unsubscribed when they were taken. A queue is
 * ordered by revisions, and an item that is written again gets a new revision. So these items go into a separate
 * folder, `<name>/.returned/<revision, 16 digits>/<rest of the key>`. Items are taken from this folder first. This
 * keeps the order, as an item that was put back is older than all items that are still in the queue.
 */
const FOLDER = '.returned/';
const DIGITS = 16;

/** Returns the folder of returned items for a queue with this prefix. */
export const returnedFolder = (prefix: string): string => prefix + FOLDER;

/** Returns the key under which an item is put back. */
export function returnKey(prefix: string, item: KeyValue): Uint8Array {
  const head = toBytes(`${returnedFolder(prefix)}${String(item.modRevision).padStart(DIGITS, '0')}/`);
  return joined(head, item.keyBytes.subarray(toBytes(prefix).length));
}

/** Returns a compare that is true as long as no item that comes before this one was put back. */
export function noneReturnedBefore(prefix: string, { keyBytes }: KeyValue): Compare {
  const from = returnedFolder(prefix);
  return isReturned(prefix, keyBytes) ? on({ from, to: keyBytes }).missing() : on({ prefix: from }).missing();
}

/** Returns an item as it was added to the queue, even if it was put back later. */
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

/** Returns whether a key was created by {@link returnKey}. */
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
