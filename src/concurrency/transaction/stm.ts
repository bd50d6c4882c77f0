import { catchError, concat, defer, defaultIfEmpty, ignoreElements, map, of, switchMap, throwError, type Observable } from 'rxjs';
import type { KvService } from '../../services/kv.js';
import type { BytesLike } from '../../model/bytes.js';
import { ARRAY, checkArgument, checkOptions, FUNCTION, oneOf, type OptionKinds } from '../../model/validate.js';
import { StmAttempt, type Isolation, ISOLATION_RULES, type Transaction } from './stmAttempt.js';
import { outcomeOf, type MaybeAsync } from '../../util/rx.js';
import { RETRY_OPTIONS, retryOptimistically, type RetryOptions } from './optimisticRetry.js';

/** The options of `stm`: isolation, prefetching and retries. */
export interface StmOptions extends RetryOptions {
  /** The isolation level: `serializableSnapshot` by default. */
  readonly isolation?: Isolation;
  /** Keys that the body will certainly read. They are read in one call before it runs. */
  readonly prefetch?: readonly BytesLike[];
}

const STM: OptionKinds<StmOptions> = { ...RETRY_OPTIONS, isolation: oneOf(...Object.keys(ISOLATION_RULES)), prefetch: ARRAY };

/** A transaction that was committed. */
export interface StmResult<T> {
  /** The result of the body. */
  readonly result: T;
  /** The revision at which it was committed. For a read-only transaction, the revision that its reads show. */
  readonly revision: number;
  /** The number of attempts: how often the body ran. */
  readonly attempts: number;
}

/** Creates the method `stm`. */
export function transactions(
  kv: KvService,
): <T>(body: (tx: Transaction) => MaybeAsync<T>, options?: StmOptions) => Observable<StmResult<T>> {
  return <T>(body: (tx: Transaction) => MaybeAsync<T>, options: StmOptions = {}) =>
    defer(() => {
      checkArgument('stm', 'body', body, FUNCTION);
      const { isolation = 'serializableSnapshot', prefetch = [], ...retry } = checkOptions('stm', options, STM);
      return retryOptimistically<StmResult<T>>('stm', retry, (attempts) => {
        const attempt = new StmAttempt(kv, ISOLATION_RULES[isolation]);
        const work =
          prefetch.length === 0 ? bodyOf(body, attempt) : concat(attempt.prefetch(prefetch).pipe(ignoreElements()), bodyOf(body, attempt));
        return work.pipe(
          switchMap((result) =>
            attempt.commit().pipe(map((revision) => (revision === undefined ? undefined : { result, revision, attempts }))),
          ),
          catchError((error: unknown) => (attempt.isStale(error) ? of(undefined) : throwError(() => error))),
        );
      });
    });
}

/** Runs the body. An Observable that completes without a value is a result, too: undefined. */
function bodyOf<T>(body: (tx: Transaction) => MaybeAsync<T>, tx: Transaction): Observable<T> {
  return outcomeOf(() => body(tx)).pipe(defaultIfEmpty(undefined as T));
}
