import { defer, of, switchMap, throwError, timer, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import { WHOLE, type OptionKinds } from '../../model/validate.js';
import { Backoff } from '../../util/retry.js';

/** How often something optimistic is tried. */
export interface TryOptions {
  /** How often it is tried, a whole number: 16 by default. When others were faster each time it errors with `Conflict`. */
  readonly maxTries?: number;
}

export const TRIES: OptionKinds<TryOptions> = { maxTries: WHOLE };

const MAX_TRIES = 16;

/** The first pause is about a round trip; the last is long enough for a crowd to disperse. */
const INITIAL_MS = 5;
const LONGEST_MS = 500;

/** Tries until it is done, with a pause after each conflict, which is told by `undefined`. Errors are not tried again. */
export function untilDone<T>(
  what: string,
  { maxTries = MAX_TRIES }: TryOptions,
  attempt: (tries: number) => Observable<T | undefined>,
): Observable<T> {
  return defer(() => {
    const backoff = new Backoff(INITIAL_MS, LONGEST_MS);
    const next = (tries: number): Observable<T> =>
      attempt(tries).pipe(
        switchMap((done) => {
          if (done !== undefined) return of(done);
          if (tries >= maxTries)
            return throwError(
              () => new EtcdError('Conflict', `others were faster than ${what} each of the ${tries} times that it was tried`),
            );
          return timer(backoff.next()).pipe(switchMap(() => next(tries + 1)));
        }),
      );
    return next(1);
  });
}
