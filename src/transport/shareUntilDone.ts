import { defer, ReplaySubject, share, tap, type Observable } from 'rxjs';

/**
 * One run of `make()` for all who wait at the same time: authenticate once, ask for the version once. The next to subscribe after its end starts a
 * new run. Whoever stops waiting disturbs nobody; when the last one does, the run is cancelled.
 */
export function shareUntilDone<T>(make: () => Observable<T>, onValue: (value: T) => void): Observable<T> {
  return defer(make).pipe(
    tap(onValue),
    share({ connector: () => new ReplaySubject<T>(1), resetOnComplete: true, resetOnError: true, resetOnRefCountZero: true }),
  );
}
