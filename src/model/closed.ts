import { takeUntil, throwIfEmpty, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { EtcdError } from '../errors/index.js';

export const clientClosed = (): EtcdError => new EtcdError('ClientClosed', 'the client is closed');

/**
 * Errors with `ClientClosed` if the source completes without a value. An Observable that promises a value (a lock, a
 * lease, the next change) completes without one only when the client is closed. A subscriber must not take that for
 * success.
 */
export function orClosed<T>(): MonoTypeOperatorFunction<T> {
  return throwIfEmpty(clientClosed);
}

/** Completes when the client is closed, or errors as {@link orClosed} does if there was no value by then. */
export function untilClosed<T>(closed: Observable<void>): MonoTypeOperatorFunction<T> {
  return (source) => orClosed<T>()(source.pipe(takeUntil(closed)));
}
