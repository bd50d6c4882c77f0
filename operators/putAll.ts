import { Observable, Subject, takeUntil, type OperatorFunction, type Subscriber } from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { captured, readNow } from '../src/model/captured.js';
import { checkArgument, checkOptions, WHOLE } from '../src/model/validate.js';
import { BulkWriter, type BulkLimits, type PutAllResult } from './internal/bulkWriter.js';
import { ANY_ITERABLE, TXN_TARGET } from './internal/validators.js';
import { IterableSource } from './internal/iterableSource.js';
import type { PutEntry } from './internal/putEntry.js';
import type { TxnTarget } from './internal/putTarget.js';

/** The limits of txns, and of waiting entries. */
export interface PutAllOptions {
  /** The maximum number of txns that are in progress at a time. Default 8. */
  readonly concurrency?: number;
  /**
   * The maximum number of entries in a txn. Default 128, which is the limit of etcd unless it was started with another
   * `--max-txn-ops`.
   */
  readonly maxOps?: number;
  /**
   * The maximum number of bytes of keys and values in a txn; a larger entry is sent alone. Default 1 MiB. The limit of
   * etcd is 1.5 MiB unless it was started with another `--max-request-bytes`. etcd counts the bytes before they are
   * converted to base64, and 11 more bytes for each entry.
   */
  readonly maxBytes?: number;
  /**
   * The maximum number of entries of an Observable that may wait for their txn; a further entry causes the error
   * `BufferOverflow`. Default 100 000; `Infinity` for no limit. An iterable is only read while there is room for its
   * entries.
   */
  readonly maxWaiting?: number;
}

type Settings = BulkLimits & Required<PutAllOptions>;

/**
 * Writes a stream of entries as fast as etcd can process them, by default in txns of up to 128 puts, eight at a time.
 * Emits the entries of each txn with the revision at which they were written.
 *
 * ```text
 * source:  -1-23456--------------|
 *          putAll(kv, { concurrency: 1, maxOps: 4 })    (each response takes 7 frames)
 * result:  --------{1}----{2345}-{6}|
 * ```
 *
 * No entry is delayed to fill a txn: a txn contains the entries that wait when it is sent. While fewer than
 * `concurrency` txns are pending, an entry of an Observable is sent at once, alone, unless its key has a pending entry.
 * Entries of the same key are all written, in their order, each at a separate revision. Each is sent after the response
 * to the previous one. Entries of different keys are written in any order. Txns are emitted in the order of their
 * responses.
 *
 * An Observable cannot wait for its consumer, so entries wait in memory, up to `maxWaiting`. If the source is an
 * iterable or async iterable, such as a generator, pass it to `putAll` itself. Then only as many entries are read as
 * the next txns can contain.
 *
 * Each txn is sent at most once. After the first failure no further txn is sent. The operator waits for the pending
 * txns and emits their results, and then errors with a {@link PutAllError}. Each entry that was read was either
 * emitted, or is `ambiguous` (it is unknown whether it was written), or `unwritten`. An error of the source, an invalid
 * entry (`InvalidArgument`) and `BufferOverflow` are passed on after all earlier entries were written. Unsubscribing
 * aborts the pending txns.
 *
 * ## Example
 *
 * ```ts
 * function* squares(count: number) {
 *   for (let n = 0; n < count; n++) yield { key: `squares/${n}`, value: String(n * n) };
 * }
 *
 * putAll(etcd.kv, squares(100_000)).pipe(
 *   scan((written, { entries }) => written + entries.length, 0),
 *   last(),
 * ).subscribe({
 *   next: (written) => console.log(written, 'written'),
 *   error: (error: unknown) => {
 *     if (isPutAllError(error)) console.error(error.message, error.ambiguous.map(({ key }) => key));
 *   },
 * });
 *
 * // Logs:
 * // 100000 written
 * ```
 *
 * @see {@link putTo}
 * @see {@link commitTxn}
 *
 * @param kv The target of the writes: `etcd.kv`, or that of a namespace.
 * @param options The limits of txns, and of waiting entries.
 * @return A function that returns an Observable of the written txns. If entries are passed, this Observable is returned
 * directly.
 */
export function putAll<E extends PutEntry>(kv: TxnTarget, options?: PutAllOptions): OperatorFunction<E, PutAllResult<E>>;
export function putAll<E extends PutEntry>(
  kv: TxnTarget,
  entries: Iterable<E> | AsyncIterable<E>,
  options?: Omit<PutAllOptions, 'maxWaiting'>,
): Observable<PutAllResult<E>>;
export function putAll<E extends PutEntry>(
  kv: TxnTarget,
  first: PutAllOptions | Iterable<E> | AsyncIterable<E> = {},
  second?: PutAllOptions,
): OperatorFunction<E, PutAllResult<E>> | Observable<PutAllResult<E>> {
  checkArgument('putAll', 'kv', kv, TXN_TARGET);
  // If there is a second argument, the first one must be the entries.
  if (second !== undefined) checkArgument('putAll', 'entries', first, ANY_ITERABLE);
  if (!isIterable(first)) {
    const settings = checked(first);
    return (source) => new Observable((subscriber) => pushed(source, kv, settings, subscriber));
  }
  const settings = checked(second);
  // Entries of an array are copied now; those of any other iterable are copied when they are read.
  const copies = Array.isArray(first) ? readNow(() => Array.from(first, (entry: E) => captured(entry))) : undefined;
  return new Observable((subscriber) => {
    const bulk = new BulkWriter<E>(kv, settings, subscriber);
    bulk.from(copies === undefined ? new IterableSource(first, bulk, captured) : new IterableSource(copies(), bulk, asItIs));
  });
}

function pushed<E extends PutEntry>(
  source: Observable<E>,
  kv: TxnTarget,
  settings: Settings,
  subscriber: Subscriber<PutAllResult<E>>,
): void {
  const { maxWaiting } = settings;
  const bulk = new BulkWriter<E>(kv, settings, subscriber);
  // Stops the source. This works even if the source emits synchronously, before its subscription is available.
  const stop = new Subject<void>();
  bulk.from({ more: () => undefined, stop: () => stop.next() });
  source.pipe(takeUntil(stop)).subscribe({
    next: (entry) => {
      if (bulk.waiting >= maxWaiting) return bulk.end({ error: overflow(maxWaiting) });
      bulk.add(captured(entry));
      bulk.send();
    },
    error: (error: unknown) => bulk.end({ error }),
    complete: () => bulk.end('completed'),
  });
}

const asItIs = <E>(entry: E): E => entry;

function overflow(maxWaiting: number): EtcdError {
  const problem = `the source is faster than the server: ${maxWaiting} entries wait, and another arrived`;
  return new EtcdError(
    'BufferOverflow',
    `putAll: ${problem}; pass an iterable, which putAll reads no faster than it writes, or a larger maxWaiting`,
  );
}

const isIterable = <E>(given: PutAllOptions | Iterable<E> | AsyncIterable<E>): given is Iterable<E> | AsyncIterable<E> =>
  ANY_ITERABLE.is(given);

function checked(options: PutAllOptions = {}): Settings {
  const {
    concurrency = 8,
    maxOps = 128,
    maxBytes = 2 ** 20,
    maxWaiting = 100_000,
  } = checkOptions('putAll', options, {
    concurrency: WHOLE,
    maxOps: WHOLE,
    maxBytes: WHOLE,
    maxWaiting: { what: `${WHOLE.what}, or Infinity`, is: (value) => WHOLE.is(value) || value === Infinity, numeric: true },
  });
  return { concurrency, maxOps, maxBytes, maxWaiting };
}
