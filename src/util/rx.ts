import { defer, from, isObservable, merge, Observable, of, share, switchMap, take, takeLast, tap, timer } from 'rxjs';
import { multicast } from './multicast.js';

/**
 * Shares one run of `make()` among all that wait at the same time, such as one authentication or one version request.
 * The next to subscribe after its end starts a new run. Unsubscribing does not affect the others; when the last one
 * unsubscribes, the run is cancelled.
 */
export function shareUntilDone<T>(make: () => Observable<T>, onValue: (value: T) => void): Observable<T> {
  return defer(make).pipe(
    tap(onValue),
    share({ connector: () => multicast<T>({ replay: true }), resetOnComplete: true, resetOnError: true, resetOnRefCountZero: true }),
  );
}

/**
 * Subscribes to what comes next, unless its subscriber has left while the user's code was called. RxJS would start it
 * all the same, and then end it.
 */
export const unlessUnsubscribed = <T>(next: () => Observable<T>): Observable<T> =>
  new Observable((subscriber) => (subscriber.closed ? undefined : next().subscribe(subscriber)));

/**
 * Emits the first value of two runs. The second begins when the first has emitted nothing for a while. Only for
 * requests that may be sent twice.
 */
export function hedged<T>(run: () => Observable<T>, afterMs: number): Observable<T> {
  // Timers of Node with an infinite delay fire at once.
  if (afterMs === Infinity) return run();
  return merge(defer(run), timer(afterMs).pipe(switchMap(run))).pipe(take(1));
}

/** A value, or an Observable (its last value counts) or a Promise of it. */
export type MaybeAsync<T> = T | PromiseLike<T> | Observable<T>;

/** Calls a function of the user, and emits its final value. */
export function outcomeOf<T>(give: () => MaybeAsync<T>): Observable<T> {
  return defer(() => {
    const given = give();
    if (isStream(given)) return given.pipe(takeLast(1));
    return isPromise(given) ? from(given) : of(given);
  });
}

const isStream = <T>(given: MaybeAsync<T>): given is Observable<T> => isObservable(given);

const isPromise = <T>(given: T | PromiseLike<T>): given is PromiseLike<T> =>
  typeof given === 'object' && given !== null && 'then' in given && typeof given.then === 'function';

/**
 * Subscribes to what `next` makes of the only value of a source, as `switchMap` does. It passes the subscriber itself
 * on, so that nothing is left of the source meanwhile. `switchMap` would keep 1 KB for each of thousands of ranges.
 */
export function handOver<T, R>(source: Observable<T>, next: (value: T) => Observable<R>): Observable<R> {
  return new Observable((subscriber) => {
    let taken = false;
    const onValue = (value: T): void => {
      taken = true;
      next(value).subscribe(subscriber);
    };
    subscriber.add(
      source.subscribe({
        next: onValue,
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          if (!taken) subscriber.complete();
        },
      }),
    );
  });
}
