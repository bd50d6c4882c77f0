import { catchError, concat, defer, defaultIfEmpty, ignoreElements, map, of, switchMap, throwError, type Observable } from 'rxjs';
import type { Kv } from '../../services/kv.js';
import type { BytesLike } from '../../model/bytes.js';
import { ARRAY, checkArgument, checkOptions, FUNCTION, oneOf, type OptionKinds } from '../../model/validate.js';
import { Attempt } from './stmAttempt.js';
import { LEVELS, type Isolation } from '../stm/isolation.js';
import { outcomeOf, type Outcome } from '../../util/rx.js';
import type { Transaction } from '../stm/transaction.js';
import { TRIES, untilDone, type TryOptions } from './optimisticRetry.js';

/** How a transaction is run. */
export interface StmOptions extends TryOptions {
  /** `serializableSnapshot` by default. */
  readonly isolation?: Isolation;
  /** Keys that the body will read for sure: they are read in one call before it runs. */
  readonly prefetch?: readonly BytesLike[];
}

const STM: OptionKinds<StmOptions> = { ...TRIES, isolation: oneOf(...Object.keys(LEVELS)), prefetch: ARRAY };

/** A transaction that was committed. */
export interface StmResult<T> {
  /** What the body gave. */
  readonly result: T;
  /** The revision at which it was committed; of one that only reads, the revision that it shows. */
  readonly revision: number;
  /** How often the body ran. */
  readonly tries: number;
}

/** Transactions in memory. */
export interface Stm {
  /**
   * A transaction as a program: the body reads and writes through `tx`, and what it wrote is committed in one txn, if what it read is still so; if not it is run again.
   * So **the body may run several times**: it must do nothing that cannot be repeated. It gives a value, or an Observable or a Promise of one. When it fails
   * nothing is written, and its error is passed on. `Conflict` when others were faster `maxTries` times; `AmbiguousWrite` when nobody
   * knows whether it was committed: it is not tried again then.
   *
   * ```ts
   * const transfer = etcd.stm((tx) =>
   *   forkJoin([tx.get('ann'), tx.get('bob')]).pipe(
   *     tap(([ann, bob]) => {
   *       tx.put('ann', String(Number(ann?.value) - 10));
   *       tx.put('bob', String(Number(bob?.value) + 10));
   *     }),
   *   ),
   * );
   * transfer.subscribe(({ revision, tries }) => console.log(`done at ${revision}, try ${tries}`));
   * ```
   */
  stm<T>(body: (tx: Transaction) => Outcome<T>, options?: StmOptions): Observable<StmResult<T>>;
}

/** The transactions of a client. */
export function transactions(kv: Kv): Stm {
  return {
    stm: <T>(body: (tx: Transaction) => Outcome<T>, options: StmOptions = {}) =>
      defer(() => {
        checkArgument('stm', 'body', body, FUNCTION);
        const { isolation = 'serializableSnapshot', prefetch = [], ...howOften } = checkOptions('stm', options, STM);
        return untilDone<StmResult<T>>('the transaction', howOften, (tries) => {
          const attempt = new Attempt(kv, LEVELS[isolation]);
          const work =
            prefetch.length === 0
              ? bodyOf(body, attempt)
              : concat(attempt.prefetch(prefetch).pipe(ignoreElements()), bodyOf(body, attempt));
          return work.pipe(
            switchMap((result) =>
              attempt.commit().pipe(map((revision) => (revision === undefined ? undefined : { result, revision, tries }))),
            ),
            catchError((error: unknown) => (attempt.isStale(error) ? of(undefined) : throwError(() => error))),
          );
        });
      }),
  };
}

/** A body that is an Observable without a value is done when it completes. */
function bodyOf<T>(body: (tx: Transaction) => Outcome<T>, tx: Transaction): Observable<T> {
  return outcomeOf(() => body(tx)).pipe(defaultIfEmpty(undefined as T));
}
