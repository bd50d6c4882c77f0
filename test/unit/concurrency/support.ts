import { defer, map, throwError, timer, type Observable } from 'rxjs';
import { now } from '../../../src/util/time.js';
import type { KeepAliveResult } from '../../../src/concurrency/lease/keepAlives.js';
import { EtcdError, isEtcdError, type Reason } from '../../../src/errors/index.js';
import { leaseId } from '../../../src/model/ids.js';
import { runInVirtualTime, type VirtualTime } from '../../support/virtualTime.js';

export const HOUR = 3_600_000;
export const ID = leaseId('7');
export const OTHER = leaseId('8');

export { runInVirtualTime, type VirtualTime };

export const errorOf = (reason: Reason): EtcdError => new EtcdError(reason, `a test's ${reason}`);

/** The events of an Observable and its end, with their times. */
export interface Recording<T> {
  readonly events: { readonly at: number; readonly event: T }[];
  end: { readonly at: number; readonly reason: Reason | 'completed' } | undefined;
  error: unknown;
  leave(): void;
}

/** Subscribes, and records the notifications with their times. */
export function record<T>({ now }: VirtualTime, source: Observable<T>): Recording<T> {
  const seen: Recording<T> = { events: [], end: undefined, error: undefined, leave: () => subscription.unsubscribe() };
  const subscription = source.subscribe({
    next: (event) => seen.events.push({ at: now(), event }),
    error: (error: unknown) => {
      if (!isEtcdError(error)) throw error;
      seen.end = { at: now(), reason: error.reason };
      seen.error = error;
    },
    complete: () => (seen.end = { at: now(), reason: 'completed' }),
  });
  return seen;
}

/** The outcome of a refresh. */
export type Answer = () => Observable<KeepAliveResult>;

/** The response arrives after this many milliseconds. */
export const answered =
  (ttl: number, afterMs = 1): Answer =>
  () =>
    defer(() => {
      const sentAt = now();
      return timer(afterMs).pipe(map(() => ({ ttl, sentAt })));
    });

/** The refresh fails after this many milliseconds. */
export const failing =
  (reason: Reason, afterMs = 1): Answer =>
  () =>
    timer(afterMs).pipe(
      map(() => {
        throw errorOf(reason);
      }),
    );

/** The refresh fails at once. */
export const failingAtOnce =
  (reason: Reason): Answer =>
  () =>
    throwError(() => errorOf(reason));
