import { takeUntil, throwIfEmpty, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { EtcdError } from '../errors/index.js';

/**
 * Errors with `ClientClosed` where it completes without a value. What promises one (a lock, a lease, the next change) does so only when the client is closed, and its user must not
 * take that for its having been there.
 */
export function orClosed<T>(): MonoTypeOperatorFunction<T> {
  return throwIfEmpty(() => new EtcdError('ClientClosed', 'the client is closed'));
}

/** Completes when the client is closed, as {@link orClosed} where there was no value by then. */
export function untilClosed<T>(closed: Observable<void>): MonoTypeOperatorFunction<T> {
  return (source) => orClosed<T>()(source.pipe(takeUntil(closed)));
}
