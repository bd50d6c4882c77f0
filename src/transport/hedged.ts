import { defer, merge, switchMap, take, timer, type Observable } from 'rxjs';

/** What comes first of two runs, of which the second begins when nothing has come of the first for a while. Only for what may be done twice. */
export function hedged<T>(run: () => Observable<T>, afterMs: number): Observable<T> {
  // To Node's timers, what is endless is over at once.
  if (afterMs === Infinity) return run();
  return merge(defer(run), timer(afterMs).pipe(switchMap(run))).pipe(take(1));
}
