import { Observable, Subject, takeUntil, type OperatorFunction, type Subscriber } from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { checkArgument, checkOptions, WHOLE } from '../src/model/validate.js';
import { BulkPut, type BulkLimits, type PutAllResult } from './internal/bulkWriter.js';
import { keepIdle } from './internal/idlePut.js';
import { ANY_ITERABLE, TXN_TARGET } from './internal/validators.js';
import { Pulled } from './internal/iterableSource.js';
import type { PutEntry } from './internal/putEntry.js';
import type { TxnTarget } from './internal/putTarget.js';

/** How much travels at a time, and how much may wait. */
export interface PutAllConfig {
  /** How many txns are under way at a time. Default 8. */
  readonly concurrency?: number;
  /** How many entries go into a txn. Default 128, which is what etcd takes unless it was started with another `--max-txn-ops`. */
  readonly maxOps?: number;
  /**
   * How many bytes of keys and values go into a txn; an entry that is larger goes alone. Default 1 MiB: etcd takes 1.5 MiB unless it was started with another
   * `--max-request-bytes`, and measures bytes as they are, not in base64, and 11 more for each entry.
   */
  readonly maxBytes?: number;
  /** How many entries of an Observable may wait for their txn; one more is `BufferOverflow`. Default 100 000; `Infinity` for no limit. Iterables are asked for no more than there is room for. */
  readonly maxWaiting?: number;
}

type Settings = BulkLimits & Required<PutAllConfig>;

/**
 * Writes a stream of entries as quickly as etcd can take them: in txns of up to 128 puts, several at a time. Emits the entries of each txn with the revision at
 * which they were written.
 *
 * ```text
 * source:  -1-23456--------------|
 *          putAll(kv, { concurrency: 1, maxOps: 4 })    (each txn is answered after 7 frames)
 * result:  --------{1}----{2345}-{6}|
 * ```
 *
 * Nothing is delayed: a txn takes what waits, and an entry that comes when less than `concurrency` are under way goes at once, alone. Entries of the same key are
 * written in their order, none left out, each at a revision of its own: the next goes when the one before it was answered. Entries of different keys are written in
 * whatever order, and txns emitted in the order of their answers.
 *
 * An Observable cannot be asked to wait, so what comes too quickly waits in memory, up to `maxWaiting`. Where entries can be had when they are wanted, give
 * `putAll` the iterable or async iterable itself, a generator say, and it takes no more than fill the next txns, however many there are.
 *
 * Each txn is sent at most once. The first that fails stops it all: nothing more is sent, those under way are waited for and emitted, and then it errors with a
 * {@link PutAllError}, by which each entry is either emitted, or `open` (nobody knows whether it was written), or `unwritten`. An error of the source, an entry
 * that is none (`InvalidArgument`) and `BufferOverflow` come after all that came before was written. Unsubscribing aborts what is under way.
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
 *     if (isPutAllError(error)) console.error(error.message, error.open.map(({ key }) => key));
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
 * @param kv What to write to: `etcd.kv`, or that of a namespace.
 * @param config How much travels at a time.
 * @return A function that returns an Observable of what was written together; with entries, that Observable.
 */
export function putAll<E extends PutEntry>(kv: TxnTarget, config?: PutAllConfig): OperatorFunction<E, PutAllResult<E>>;
export function putAll<E extends PutEntry>(
  kv: TxnTarget,
  entries: Iterable<E> | AsyncIterable<E>,
  config?: Omit<PutAllConfig, 'maxWaiting'>,
): Observable<PutAllResult<E>>;
export function putAll<E extends PutEntry>(
  kv: TxnTarget,
  first: PutAllConfig | Iterable<E> | AsyncIterable<E> = {},
  second?: PutAllConfig,
): OperatorFunction<E, PutAllResult<E>> | Observable<PutAllResult<E>> {
  checkArgument('putAll', 'kv', kv, TXN_TARGET);
  // What options follow was to be the entries.
  if (second !== undefined) checkArgument('putAll', 'entries', first, ANY_ITERABLE);
  if (!isIterable(first)) {
    const settings = checked(first);
    return (source) => new Observable((subscriber) => pushed(source, kv, settings, subscriber));
  }
  const settings = checked(second);
  return new Observable((subscriber) => {
    keepIdle(settings);
    const bulk = new BulkPut<E>(kv, settings, subscriber);
    bulk.from(new Pulled(first, bulk));
  });
}

function pushed<E extends PutEntry>(
  source: Observable<E>,
  kv: TxnTarget,
  settings: Settings,
  subscriber: Subscriber<PutAllResult<E>>,
): void {
  keepIdle(settings);
  const { maxWaiting } = settings;
  const bulk = new BulkPut<E>(kv, settings, subscriber);
  // Stops a source that produces synchronously too, whose subscription we do not have yet.
  const stop = new Subject<void>();
  bulk.from({ more: () => undefined, stop: () => stop.next() });
  source.pipe(takeUntil(stop)).subscribe({
    next: (entry) => {
      if (bulk.waiting >= maxWaiting) return bulk.end({ error: overflow(maxWaiting) });
      bulk.add(entry);
      bulk.send();
    },
    error: (error: unknown) => bulk.end({ error }),
    complete: () => bulk.end('completed'),
  });
}

function overflow(maxWaiting: number): EtcdError {
  const problem = `the source is quicker than the server: ${maxWaiting} entries wait, and another came`;
  return new EtcdError('BufferOverflow', `putAll: ${problem}; give putAll an iterable, which it can let wait, or a larger maxWaiting`);
}

const isIterable = <E>(given: PutAllConfig | Iterable<E> | AsyncIterable<E>): given is Iterable<E> | AsyncIterable<E> =>
  ANY_ITERABLE.is(given);

function checked(config: PutAllConfig = {}): Settings {
  const {
    concurrency = 8,
    maxOps = 128,
    maxBytes = 2 ** 20,
    maxWaiting = 100_000,
  } = checkOptions('putAll', config, {
    concurrency: WHOLE,
    maxOps: WHOLE,
    maxBytes: WHOLE,
    maxWaiting: { what: 'a whole number from 1, or Infinity', is: (value) => WHOLE.is(value) || value === Infinity },
  });
  return { concurrency, maxOps, maxBytes, maxWaiting };
}
