import { defer, EMPTY, Observable, takeUntil, type MonoTypeOperatorFunction } from 'rxjs';
import { checkArgument, SIGNAL } from '../src/model/validate.js';
import { onAbort } from '../src/util/rx.js';

/**
 * Completes when an `AbortSignal` is aborted. It is `takeUntil` for code that is stopped by a signal. Put it last in
 * the pipe, like `takeUntil`.
 *
 * ```text
 * source:  --a--b--c--d--
 * signal:  --------x
 *          takeUntilAborted(signal)
 * result:  --a--b--|
 * ```
 *
 * If the signal is aborted already, the result completes at once, and the source is not subscribed to. All subscribers
 * of a signal share one listener on it. The listener is removed when the last subscriber ends, so that one signal can
 * be used as long as the process runs.
 *
 * ## Example
 *
 * ```ts
 * const stop = new AbortController();
 *
 * etcd.watch('a').pipe(takeUntilAborted(stop.signal)).subscribe({
 *   next: ({ kv }) => console.log(kv.value),
 *   complete: () => console.log('stopped'),
 * });
 *
 * // etcdctl put a 1
 * // stop.abort()
 * // etcdctl put a 2
 * // Logs:
 * // 1
 * // stopped
 * ```
 *
 * @see {@link toAsyncIterable}
 *
 * @param signal The signal to stop at.
 * @return A function that returns an Observable of the source's items until the signal is aborted.
 */
export function takeUntilAborted<T>(signal: AbortSignal): MonoTypeOperatorFunction<T> {
  checkArgument('takeUntilAborted', 'signal', signal, SIGNAL);
  return (source) =>
    // A signal that is aborted already fires no event, so this case is checked first.
    defer(() => (signal.aborted ? EMPTY : source.pipe(takeUntil(aborted(signal)))));
}

const aborted = (signal: AbortSignal): Observable<void> => new Observable((subscriber) => onAbort(signal, () => subscriber.next()));
