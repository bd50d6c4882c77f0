import { defer, retry, throwError, timer, type Observable } from 'rxjs';
import { isEtcdError, type EtcdError, type Reason } from '../errors/index.js';
import { Backoff } from '../util/retry.js';
import { Refusals } from './refusals.js';
import type { ConnectionSettings } from './settings.js';

/** Errors besides those of code Unavailable that may be gone at the next try. All else ends a watch: the server understood it, and said no. */
const PASSING: Partial<Record<Reason, string>> = {
  DeadlineExceeded: 'the server was too slow this time',
  TooManyRequests: 'the server has less to do another time',
  WatchCanceled: 'the server ended it without a reason, as it does when it stops',
  Canceled: 'something between us and the store gave up',
  InvalidAuthToken: 'another stream shows a new token',
  AuthOldRevision: 'another stream shows a new token',
  UserEmpty: 'auth was enabled meanwhile, and another stream shows a token',
  TokenUnavailable: 'the token function may find one another time',
  CarrierUnusable: 'another carrier may do',
  UnknownMethod: 'the server may have been replaced by another version, whose gateway is elsewhere',
  MalformedResponse: 'something before the server answered in its place',
};

/** Those that end by themselves, however often they come. The others had better be gone soon. */
const TRANSIENT: ReadonlySet<Reason> = new Set<Reason>(['DeadlineExceeded', 'TooManyRequests', 'WatchCanceled', 'Canceled']);

/** Whether a watch goes on after this error. */
export function isPassing(error: EtcdError): boolean {
  return isTransient(error) || PASSING[error.reason] !== undefined;
}

/** Whether another stream may do better. Where each watch has a stream of its own, a message that is too long ends only the one that it is for. */
export function isPassingForStream(error: EtcdError): boolean {
  return isPassing(error) || error.reason === 'ResponseTooLarge';
}

/** Whether a watch goes on after this error, though it came time and again. */
export function isTransient(error: EtcdError): boolean {
  // A stopping server cancels what it has under way, or breaks it off, in words of gRPC's.
  const interrupted =
    error.code === 'Unavailable' || (error.reason === 'Unknown' && (error.code === 'Canceled' || error.code === 'Internal'));
  return interrupted || TRANSIENT.has(error.reason);
}

/**
 * Repeats a call for as long as its failure may pass. What does not pass by itself is repeated a few times: that its token is refused (while auth changes, not where the
 * token is none), an answer without sense (while a proxy stands in for the server, not where there is no etcd), a path that is not known.
 *
 * @param onPause told of each failure that passes, and of the milliseconds until the next try
 */
export function persistently<T>(
  call: Observable<T>,
  { initialBackoffMs, maxBackoffMs }: ConnectionSettings,
  onPause: (error: EtcdError, ms: number) => void = () => undefined,
): Observable<T> {
  return defer(() => {
    const backoff = new Backoff(initialBackoffMs, maxBackoffMs);
    const refusals = new Refusals();
    const passes = (error: unknown): error is EtcdError => {
      if (!isEtcdError(error) || !isPassing(error)) return false;
      if (isTransient(error)) return true;
      refusals.add(error);
      return !refusals.believed;
    };
    return call.pipe(
      retry({
        delay: (error: unknown) => {
          if (!passes(error)) return throwError(() => error);
          const pauseMs = backoff.next();
          onPause(error, pauseMs);
          return timer(pauseMs);
        },
      }),
    );
  });
}
