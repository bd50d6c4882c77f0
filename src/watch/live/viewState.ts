import { catchError, combineLatest, distinctUntilChanged, filter, map, of, scan, startWith, type Observable } from 'rxjs';
import { EtcdError, isEtcdError } from '../../errors/index.js';
import type { ConnectionState } from '../streams/streamManager.js';

/**
 * A live value as a user interface needs it. A stream of these states begins at once and never errors, and each state
 * is a new object.
 * - `loading`: nothing is known yet; `error` says why if the server cannot be reached
 * - `live`: `value` is the store's. Right after `stale`, missed changes follow as soon as the server has sent them.
 * - `stale`: the connection was lost after `value` came, so it may be old (`error` says why)
 * - `invalid`: the codec refuses the store's value (`error` says where), and `value` is the last valid one
 * - `failed`: the stream cannot go on (`error` says why), and this is the last state
 */
export interface ViewState<T> {
  readonly status: 'loading' | 'live' | 'stale' | 'invalid' | 'failed';
  readonly value: T | undefined;
  readonly error: EtcdError | undefined;
}

/** The age of a reading. */
interface Origin {
  /**
   * The reading is older than what the client knows of its writes. A newer one is on its way, or comes when the
   * connection is back.
   */
  readonly old?: boolean;
  /** The state of the connection when the reading came from the server; by default the present one. */
  readonly cameWith?: ConnectionState | undefined;
}

/** The input of a view: a value, or the reason that there is none. */
export type Reading<T> = ({ readonly value: T } & Origin) | ({ readonly invalid: EtcdError } & Origin) | { readonly failed: EtcdError };

const LOADING = { status: 'loading', value: undefined, error: undefined } as const;

/** A reading as a view shows it while the connection works. */
interface Viewed<T> extends Origin {
  readonly view: ViewState<T>;
}

/** The view that is shown, and the reason that it may be out of date. */
interface Shown<T> {
  readonly view: ViewState<T>;
  readonly cause: EtcdError | undefined;
  /** The loss of the connection that no later connection or reading has ended. */
  readonly lost: EtcdError | undefined;
  readonly of: Viewed<T>;
  readonly cameWith: ConnectionState | undefined;
}

/** Combines readings and the state of the connection into one state that never errors. */
export function viewState<T>(readings: Observable<Reading<T>>, connection: Observable<ConnectionState>): Observable<ViewState<T>> {
  const views = readings.pipe(
    catchError((error: unknown) => of({ failed: isEtcdError(error) ? error : new EtcdError('Unknown', String(error), { cause: error }) })),
    scan(
      (last: Viewed<T>, reading: Reading<T>): Viewed<T> => {
        if ('value' in reading) return { ...reading, view: { status: 'live', value: reading.value, error: undefined } };
        return 'invalid' in reading
          ? { ...reading, view: { status: 'invalid', value: last.view.value, error: reading.invalid } }
          : { view: { status: 'failed', value: last.view.value, error: reading.failed } };
      },
      { view: LOADING },
    ),
    startWith<Viewed<T>>({ view: LOADING }),
  );
  return combineLatest([views, connection]).pipe(
    scan((last: Shown<T> | undefined, [viewed, state]): Shown<T> => {
      const before = viewed === last?.of ? last : undefined;
      const cameWith = before === undefined ? (viewed.cameWith ?? state) : before.cameWith;
      // A watch whose history is lost ends before the next list. Meanwhile there is none, which ends no loss.
      const lost = state.status === 'reconnecting' ? state.cause : state.status === 'idle' ? before?.lost : undefined;
      const known = { of: viewed, cameWith, lost };
      const { view, old = false } = viewed;
      if (old && view.status !== 'failed') {
        // The value was never shown as live, and is not now.
        if (lost === undefined) return last?.view.status === 'live' ? { ...last, ...known } : { ...known, view: LOADING, cause: undefined };
        return { ...known, view: view.status === 'live' ? view : LOADING, cause: lost };
      }
      // A value that arrived after the connection was lost, as by a list, is not older than that loss.
      const outdates = view.status === 'loading' || (view.status === 'live' && state !== cameWith);
      return { ...known, view, cause: outdates ? lost : undefined };
    }, undefined),
    filter((shown) => shown !== undefined),
    distinctUntilChanged((a, b) => a.view === b.view && a.cause === b.cause),
    map(({ view, cause }): ViewState<T> => {
      if (cause === undefined) return { ...view };
      return { ...view, status: view.status === 'live' ? 'stale' : view.status, error: cause };
    }),
  );
}
