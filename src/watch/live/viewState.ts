import { catchError, combineLatest, distinctUntilChanged, map, of, scan, startWith, type Observable } from 'rxjs';
import { EtcdError, isEtcdError } from '../../errors/index.js';
import type { ConnectionState } from '../connectionState.js';

/**
 * Something live as a user interface wants it: a stream of these never errors, begins at once, and each is a new object.
 * - `loading`: nothing is known yet; `error` says why, where the server cannot be reached
 * - `live`: `value` is what the store has; right after `stale`, what was missed follows as soon as the server has sent it
 * - `stale`: the connection is lost for now (`error` says why), and `value` may be old
 * - `invalid`: what the store has is not what the codec wants (`error` says where), and `value` is the last that was
 * - `failed`: it cannot go on (`error` says why); this is the last state
 */
export interface ViewState<T> {
  readonly status: 'loading' | 'live' | 'stale' | 'invalid' | 'failed';
  readonly value: T | undefined;
  readonly error: EtcdError | undefined;
}

/** What a view is fed with: a value, or why there is none. */
export type Reading<T> = { readonly value: T } | { readonly invalid: EtcdError } | { readonly failed: EtcdError };

const LOADING = { status: 'loading', value: undefined, error: undefined } as const;

/** Readings and the state of the connection, as one state that never errors. */
export function viewState<T>(readings: Observable<Reading<T>>, connection: Observable<ConnectionState>): Observable<ViewState<T>> {
  const views = readings.pipe(
    catchError((error: unknown) => of({ failed: isEtcdError(error) ? error : new EtcdError('Unknown', String(error), { cause: error }) })),
    scan((last: ViewState<T>, reading: Reading<T>): ViewState<T> => {
      if ('value' in reading) return { status: 'live', value: reading.value, error: undefined };
      return 'invalid' in reading
        ? { status: 'invalid', value: last.value, error: reading.invalid }
        : { status: 'failed', value: last.value, error: reading.failed };
    }, LOADING),
    startWith<ViewState<T>>(LOADING),
  );
  const lostBy = connection.pipe(map((state) => (state.status === 'reconnecting' ? state.cause : undefined)));
  return combineLatest([views, lostBy]).pipe(
    map(([view, cause]) => ({ view, cause: view.status === 'live' || view.status === 'loading' ? cause : undefined })),
    distinctUntilChanged((a, b) => a.view === b.view && a.cause === b.cause),
    map(({ view, cause }): ViewState<T> => {
      if (cause === undefined) return { ...view };
      return { ...view, status: view.status === 'live' ? 'stale' : view.status, error: cause };
    }),
  );
}
