import { asyncScheduler, defer, map, type Observable, switchMap } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { BYTES, checkArgument, checkName, wholeNumber } from '../../model/validate.js';
import { get, key as on, put, range } from '../../model/op.js';
import type { KeyValue } from '../../model/keyValue.js';
import { retryTransient } from '../../watch/retryable.js';
import { retryOptimistically } from '../transaction/optimisticRetry.js';
import type { ConcurrencyContext } from '../context.js';
import { asEnqueued, leaseOption, noneReturnedBefore, type QueueOrder, returnedFolder, returnKey, takeFirst } from './taking.js';

/** An item that was put into a queue. */
export interface EnqueueResult {
  readonly key: string;
  readonly revision: number;
}

/** A queue: first in, first out. */
export interface Queue {
  readonly name: string;
  /** Adds an item at the end, at most once. Errors with `AmbiguousWrite` if it is unknown whether it was added. */
  enqueue(value: BytesLike): Observable<EnqueueResult>;
  /**
   * Takes the item at the front, or waits for one; emits it, and completes. Each item goes to exactly one consumer, and
   * is deleted from the queue then. It is lost if the consumer crashes. If a consumer unsubscribes while an item is
   * being taken for it, the item is put back where it was. Errors with `AmbiguousWrite` if it is unknown whether an
   * item was taken. Needs etcd 3.3 or newer.
   */
  dequeue(): Observable<KeyValue>;
}

/** Creates the method `queue`. */
export function queues(context: ConcurrencyContext): (name: string) => Queue {
  return (name) => {
    checkName('a queue', name);
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

/** Returns the time, for human readers, and 64 random bits. The order of a queue is that of revisions. */
function unique(): string {
  const chance = crypto.getRandomValues(new Uint32Array(2));
  return `${asyncScheduler.now()}-${Array.from(chance, (part) => part.toString(16).padStart(8, '0')).join('')}`;
}

/** A queue that is ordered by priority number, the lowest first, and then by age. */
export interface PriorityQueue {
  readonly name: string;
  /**
   * Adds an item behind those of its priority, from 0 (first) to 65 535, at most once. Errors with `AmbiguousWrite` if
   * it is unknown whether it was added.
   */
  enqueue(value: BytesLike, priority: number): Observable<EnqueueResult>;
  /** Takes the first item, as `dequeue` of a queue does. */
  dequeue(): Observable<KeyValue>;
}

const MAX_PRIORITY = 65_535;
const PRIORITY = wholeNumber(0, MAX_PRIORITY);

/**
 * The most attempts to enqueue. One of the clients that enqueue at the same time succeeds in each round, so this is
 * never reached in practice.
 */
const MAX_ENQUEUE_ATTEMPTS = 10_000;

/** Creates the method `priorityQueue`. */
export function priorityQueues(context: ConcurrencyContext): (name: string) => PriorityQueue {
  return (name) => {
    checkName('a priority queue', name);
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
    // The key of an item is its position, so it is put back under the same key. Only the Go recipes reuse the number of
    // an item that was taken. The item is then put next to the new one.
    putBack: (item) => ({
      compare: [on(item.keyBytes).missing()],
      success: [put(item.keyBytes, item.valueBytes, leaseOption(item))],
      failure: [put(`${item.key}.${item.modRevision}`, item.valueBytes, leaseOption(item))],
    }),
  };
}

/**
 * Creates the key with the next number. Emits undefined if another client has created one meanwhile. Each enqueue also
 * writes the key `__<folder>`, and the txn compares that it was not written since. The last key alone would not do: if
 * it was taken in between, its number would be used twice. The value of `__<folder>` is the last number. It prevents
 * that a number is used again while its item may still be put back.
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

/** Returns the number after the counter's; 0 if it is empty, as the Go recipes leave it. */
const numberAfterCounter = (counter: KeyValue | undefined): number => (/^\d+$/.test(counter?.value ?? '') ? Number(counter?.value) + 1 : 0);
