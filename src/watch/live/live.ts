import type { Either } from 'fp-ts/lib/Either.js';
import { type Validator, VALIDATOR, jsonLater } from '../../model/validator.js';
import {
  concatMap,
  defer,
  distinctUntilChanged,
  identity,
  map,
  type Observable,
  takeWhile,
  catchError,
  combineLatest,
  filter,
  of,
  scan,
  startWith,
} from 'rxjs';
import { EtcdError, type InvalidValueError, isEtcdError } from '../../errors/index.js';
import { ANYTHING, checkOptions, FUNCTION, type OptionKinds, required } from '../../model/validate.js';
import { isUnchanged, type KeyValue } from '../../model/keyValue.js';
import type { ReadPages } from './listAndWatch.js';
import { type LiveUpdate, liveUpdates } from './liveRange.js';
import type { BytesLike } from '../../model/bytes.js';
import type { Range } from '../../model/range.js';
import { toWatchTarget } from '../messages.js';
import { deferLight } from '../../util/lightObservable.js';
import { mapInOrder } from '../../util/rx.js';
import { rangeIdentity } from '../watch.js';
import { SharedStates, type ViewedUpdate } from './sharedStates.js';
import type { WatchesDeps } from '../watcher.js';
import type { ConnectionState } from '../streams/connectionState.js';
import { isRight, right } from '../../util/either.js';

/**
 * A live value as a user interface needs it. A stream of these states begins at once and never errors, and each state
 * is a new object.
 * - `loading`: nothing is known yet; `error` says why if the server cannot be reached
 * - `live`: `value` is the current value in the store. Right after `stale`, missed changes follow as soon as the server
 *   has sent them.
 * - `stale`: the connection or the history was lost after `value` had arrived, so `value` may be old (`error` says why)
 * - `invalid`: the codec rejects the store's value (`error` says where), and `value` is the last valid one, or
 *   undefined if there was none
 * - `failed`: the stream cannot continue (`error` says why), and this is the last state
 */
export interface ViewState<T> {
  readonly status: 'loading' | 'live' | 'stale' | 'invalid' | 'failed';
  readonly value: T | undefined;
  readonly error: EtcdError | undefined;
}

/** The facts that show whether a reading may be out of date. */
interface Origin {
  /**
   * Whether the reading lacks a write of this client that the server has confirmed. A newer reading follows, at the
   * latest when the connection is restored.
   */
  readonly old?: boolean;
  /** The state of the connection when the reading arrived from the server. Default: the current state. */
  readonly cameWith?: ConnectionState | undefined;
  /**
   * The error if the history was lost after the reading had arrived. The reading is then out of date, and a newer one
   * follows.
   */
  readonly lost?: EtcdError | undefined;
}

/**
 * The input of a view: a value, or the reason why there is no valid value. If an invalid reading has no value, the view
 * keeps the last value.
 */
export type Reading<T> =
  ({ readonly value: T } & Origin) | ({ readonly invalid: EtcdError; readonly value?: T } & Origin) | { readonly failed: EtcdError };

const LOADING = { status: 'loading', value: undefined, error: undefined } as const;

/** A reading, with the state that the view has while the connection works. */
interface Viewed<T> extends Origin {
  readonly view: ViewState<T>;
}

/** The view that is shown, and the reason why it may be out of date. */
interface Shown<T> {
  readonly view: ViewState<T>;
  readonly cause: EtcdError | undefined;
  /**
   * The error if the connection was lost, until it is restored. While the connection is `idle`, a newer reading ends
   * the loss as well.
   */
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
        const { value } = 'value' in reading ? reading : last.view;
        if ('failed' in reading) return { view: { status: 'failed', value, error: reading.failed } };
        if ('invalid' in reading) return { ...reading, view: { status: 'invalid', value, error: reading.invalid } };
        return { ...reading, view: { status: 'live', value, error: undefined } };
      },
      { view: LOADING },
    ),
    startWith<Viewed<T>>({ view: LOADING }),
  );
  return combineLatest([views, connection]).pipe(
    scan((last: Shown<T> | undefined, [viewed, state]): Shown<T> => {
      const before = viewed === last?.of ? last : undefined;
      const cameWith = before === undefined ? (viewed.cameWith ?? state) : before.cameWith;
      // If the history is lost, the watch ends before the next list begins. The state of the connection is then `idle`
      // for a moment, which does not end the loss.
      const lost = state.status === 'reconnecting' ? state.cause : state.status === 'idle' ? before?.lost : undefined;
      const known = { of: viewed, cameWith, lost };
      const { view, old = false } = viewed;
      if (old && view.status !== 'failed') {
        // An old value was not shown as `live` before, and must not be shown as `live` now.
        if (lost === undefined) return last?.view.status === 'live' ? { ...last, ...known } : { ...known, view: LOADING, cause: undefined };
        return { ...known, view: view.status === 'live' ? view : LOADING, cause: lost };
      }
      // A value may arrive after the connection was lost, for example by a list. The loss does not make that value old.
      const outdates = view.status === 'loading' || (view.status === 'live' && state !== cameWith);
      return { ...known, view, cause: (outdates ? lost : undefined) ?? (view.status === 'live' ? viewed.lost : undefined) };
    }, undefined),
    filter((shown) => shown !== undefined),
    distinctUntilChanged((a, b) => a.view === b.view && a.cause === b.cause),
    map(({ view, cause }): ViewState<T> => {
      if (cause === undefined) return { ...view };
      return { ...view, status: view.status === 'live' ? 'stale' : view.status, error: cause };
    }),
  );
}

/** Creates the live ranges of a client over its watches. */
export function lives(deps: WatchesDeps, readPages: ReadPages, closed: Observable<void>, lingerMs: number) {
  const shared = new SharedStates<LiveUpdate>(deps, closed, lingerMs, {
    // Each range keeps one of these objects. An object literal gives all of them the same hidden class, so that they
    // take less memory.
    snapshot: ({ revision, state }) => ({ type: 'snapshot', revision, state, changes: [] }),
    stateOf: identity,
  });

  /** Returns the arguments with which {@link SharedStates} shares the updates of a range. */
  const joined = (range: Range): Parameters<SharedStates<LiveUpdate>['of']> => {
    const target = toWatchTarget(range);
    return [rangeIdentity(target), [target], (follower) => liveUpdates(range, target, readPages, deps, follower)];
  };

  const live = (range: Range): Observable<LiveUpdate> => deferLight(() => shared.of(...joined(range)));
  const viewed = (range: Range): Observable<ViewedUpdate<LiveUpdate>> => defer(() => shared.viewed(...joined(range)));

  const liveState = (range: Range): Observable<ViewState<ReadonlyMap<string, KeyValue>>> =>
    view(viewed(range).pipe(map(({ update, ...origin }) => ({ value: update.state, ...origin }))), deps);

  return {
    live,
    liveValue: <A>(key: BytesLike, options: LiveValueOptions<A>): Observable<A | undefined> =>
      defer(() => liveValues(liveKey(live({ key })), checkOptions('liveValue', options, LIVE_VALUE))),
    liveState,
    liveValueState: <A>(key: BytesLike, options: { readonly codec: Validator<A> }): Observable<ViewState<A | undefined>> =>
      view(
        defer(() => {
          const { codec } = checkOptions('liveValueState', options, LIVE_VALUE_STATE);
          return viewed({ key }).pipe(
            map(({ update, ...origin }) => ({ kv: onlyKey(update), ...origin })),
            // A list after a compaction may contain a key-value that was emitted before.
            distinctUntilChanged((a, b) => a.old === b.old && a.lost === b.lost && isUnchanged(a.kv, b.kv)),
            mapInOrder(({ kv, ...origin }) => {
              const toReading = (reading: ValueReading<A>): Reading<A | undefined> =>
                isRight(reading) ? { value: reading.right, ...origin } : { invalid: reading.left, ...origin };
              const reading = valueReading(kv, codec);
              return 'then' in reading ? reading.then(toReading) : toReading(reading);
            }),
          );
        }),
        deps,
      ),
  };
}

/**
 * Converts readings to the states of a view. A failure is the last state, even if the state of the connection changes.
 */
export const view = <T>(readings: Observable<Reading<T>>, { streams }: WatchesDeps): Observable<ViewState<T>> =>
  viewState(readings, streams.state).pipe(takeWhile(({ status }) => status !== 'failed', true));

/** Options for following the value of a key. */
export interface LiveValueOptions<A> {
  /** The codec of the value, which is read as JSON. */
  readonly codec: Validator<A>;
  /**
   * Called with the error of an invalid value. The last valid value stays in force. Without this function the stream
   * errors with the `InvalidValueError`.
   */
  readonly onInvalid?: (error: InvalidValueError) => void;
  /**
   * The value that is emitted if the first value is invalid, so that every subscriber has a value. This option requires
   * `onInvalid`. Without a fallback nothing is emitted until there is a valid value.
   */
  readonly fallback?: A;
}

export const LIVE_VALUE_STATE: OptionKinds<Pick<LiveValueOptions<unknown>, 'codec'>> = { codec: required(VALIDATOR) };
export const LIVE_VALUE: OptionKinds<LiveValueOptions<unknown>> = { ...LIVE_VALUE_STATE, onInvalid: FUNCTION, fallback: ANYTHING };

/** The value of a key at a time: decoded, rejected by the codec, or missing. */
export type ValueReading<A> = Either<InvalidValueError, A | undefined>;

/** Returns the only key of a state; undefined if there is none. */
export function onlyKey({ state }: Pick<LiveUpdate, 'state'>): KeyValue | undefined {
  for (const kv of state.values()) return kv;
  return undefined;
}

/** Emits the only key of a live range each time the key changes; undefined while the key does not exist. */
export function liveKey(updates: Observable<LiveUpdate>): Observable<KeyValue | undefined> {
  return updates.pipe(
    map(onlyKey),
    // A list after a compaction may contain a key-value that was emitted before.
    distinctUntilChanged(isUnchanged),
  );
}

/** Decodes the value of a key with a codec. A codec that checks asynchronously returns a Promise of the result. */
export function valueReading<A>(kv: KeyValue | undefined, codec: Validator<A>): ValueReading<A> | PromiseLike<ValueReading<A>> {
  return kv === undefined ? right(undefined) : jsonLater(kv, codec);
}

/** Emits the valid values of a key. The options decide what follows an invalid value. */
export function liveValues<A>(kvs: Observable<KeyValue | undefined>, options: LiveValueOptions<A>): Observable<A | undefined> {
  const { codec, onInvalid, fallback } = options;
  if (fallback !== undefined && onInvalid === undefined)
    throw new EtcdError('InvalidArgument', 'liveValue: expected the option onInvalid together with fallback, received only fallback');
  return kvs.pipe(
    mapInOrder((kv) => valueReading(kv, codec)),
    concatMap((reading, index) => {
      if (isRight(reading)) return [reading.right];
      if (onInvalid === undefined) throw reading.left;
      onInvalid(reading.left);
      return index === 0 && fallback !== undefined ? [fallback] : [];
    }),
  );
}
