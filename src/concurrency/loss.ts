import { catchError, defer, tap, throwError, type MonoTypeOperatorFunction } from 'rxjs';
import { EtcdError, hasReason, isEtcdError, type Reason } from '../errors/index.js';
import type { Place } from './lock/waiterQueue.js';

/**
 * Ends what was owned in `LockLost`, whatever ends it: one whose watch is denied, say, does not hear of the end of its key. What happens before that is told as it is.
 *
 * @param losses what is a loss even before the turn has come
 */
export function lostOnceOwned<T extends Pick<Place, 'first'>>(name: string, losses: readonly Reason[]): MonoTypeOperatorFunction<T> {
  return (places) =>
    defer(() => {
      let owned = false;
      return places.pipe(
        tap(({ first }) => (owned ||= first)),
        catchError((error: unknown) => {
          const lost = isEtcdError(error) && error.reason !== 'LockLost' && (owned || hasReason(error, ...losses));
          return throwError(() => (lost ? lostWith(name, error) : error));
        }),
      );
    });
}

const lostWith = (name: string, cause: EtcdError): EtcdError =>
  new EtcdError('LockLost', `${JSON.stringify(name)} is no longer held for certain: ${cause.message}`, { cause });
