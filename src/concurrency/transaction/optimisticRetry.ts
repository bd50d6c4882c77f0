import { defer, of, switchMap, throwError, timer, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import { WHOLE, type OptionKinds } from '../../model/validate.js';
import { Backoff } from '../../util/retry.js';

/** The limit of attempts after conflicts. */
export interface RetryOptions {
  /** The most attempts, a whole number: 16 by default. Errors with `Conflict` if other writes made all of them fail. */
  readonly maxAttempts?: number;
}

export const RETRY_OPTIONS: OptionKinds<RetryOptions> = { maxAttempts: WHOLE };

const DEFAULT_MAX_ATTEMPTS = 16;

/** The first pause is about a round trip. The longest spreads the attempts of many clients. */
const INITIAL_MS = 5;
const MAX_MS = 500;

/**
 * Repeats an attempt after each conflict, which it reports by emitting undefined, with a growing pause. Errors are not
 * retried.
 */
export function retryOptimistically<T>(
  what: string,
  { maxAttempts = DEFAULT_MAX_ATTEMPTS }: RetryOptions,
  attempt: (count: number) => Observable<T | undefined>,
): Observable<T> {
  return defer(() => {
    const backoff = new Backoff(INITIAL_MS, MAX_MS);
    const next = (count: number): Observable<T> =>
      attempt(count).pipe(
        switchMap((done) => {
          if (done !== undefined) return of(done);
          if (count >= maxAttempts)
            return throwError(() => new EtcdError('Conflict', `${what} failed after ${count} attempts: keys were modified concurrently`));
          return timer(backoff.next()).pipe(switchMap(() => next(count + 1)));
        }),
      );
    return next(1);
  });
}
