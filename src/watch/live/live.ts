import * as E from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { defer, identity, map, switchMap, takeWhile, type Observable } from 'rxjs';
import type { BytesLike } from '../../model/bytes.js';
import { checkOptions } from '../../model/validate.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';
import type { LiveUpdate, ReadPages } from './liveRange.js';
import { LIVE_VALUE, LIVE_VALUE_STATE, liveKey, liveValues, valueReadings, type LiveValueOptions } from '../liveValue.js';
import { targetOf } from '../messages.js';
import { SharedByKey } from '../sharedByKey.js';
import { rangeIdentity } from '../sharedWatches.js';
import { viewState, type Reading, type ViewState } from './viewState.js';
import type { WatcherMeans } from '../watcherMeans.js';

/** The live state of a client: what a range holds, kept up to date. */
export interface Lives {
  /**
   * What a range holds, and each change of it: it is listed (in pages of one revision) and then watched from the next revision on, without a gap. Hot and shared
   * by all who ask for the same range; who comes late begins with what is there. Each state is one that the store really had, and never changes.
   * Where the history was compacted away it is listed again, and the update says so (`resync`), deletes included.
   *
   * ```ts
   * etcd.live({ prefix: 'services/' }).subscribe(({ type, state, changes }) => console.log(type, [...state.keys()], changes.length));
   * ```
   */
  live(range: Range): Observable<LiveUpdate>;

  /**
   * The value of a key, read as JSON and checked, and each that follows; undefined while there is none. A bad value errors with `InvalidValueError`, or goes to
   * `onInvalid` and leaves the last good one.
   *
   * ```ts
   * etcd.liveValue('app/config', { codec: AppConfig }).subscribe((config) => apply(config ?? DEFAULTS));
   * ```
   */
  liveValue<A>(key: BytesLike, options: LiveValueOptions<A>): Observable<A | undefined>;

  /** What {@link Lives.live} gives as a state that never errors: for a user interface. */
  liveState(range: Range): Observable<ViewState<ReadonlyMap<string, KeyValue>>>;

  /** What {@link Lives.liveValue} gives as a state that never errors: for a user interface. */
  liveValueState<A>(key: BytesLike, options: { readonly codec: Decoder<unknown, A> }): Observable<ViewState<A | undefined>>;
}

/** The live state of a client over its watches. */
export function lives(means: WatcherMeans, readPages: ReadPages, closed: Observable<void>, graceMs: number): Lives {
  const shared = new SharedByKey<LiveUpdate>(closed, {
    graceMs,
    late: { keep: (last) => ({ ...last, type: 'snapshot', changes: [] }), begin: identity },
  });

  const live: Lives['live'] = (range) =>
    defer(() => {
      const target = targetOf(range);
      return shared.of(rangeIdentity(target), () =>
        // Loaded with the maps that never change, which not every program needs.
        defer(() => import('./liveRange.js')).pipe(switchMap(({ liveUpdates }) => liveUpdates(range, target, readPages, means))),
      );
    });

  const view = <T>(readings: Observable<Reading<T>>): Observable<ViewState<T>> => {
    // Nothing follows a failure; the state of the connection alone would go on.
    return viewState(readings, means.connections.state).pipe(takeWhile(({ status }) => status !== 'failed', true));
  };

  return {
    live,
    liveValue: (key, options) => defer(() => liveValues(liveKey(live({ key })), checkOptions('liveValue', options, LIVE_VALUE))),
    liveState: (range) => view(live(range).pipe(map(({ state }) => ({ value: state })))),
    liveValueState: (key, options) =>
      view(
        defer(() => {
          const { codec } = checkOptions('liveValueState', options, LIVE_VALUE_STATE);
          return valueReadings(liveKey(live({ key })), codec);
        }).pipe(map((reading) => (E.isRight(reading) ? { value: reading.right } : { invalid: reading.left }))),
      ),
  };
}
