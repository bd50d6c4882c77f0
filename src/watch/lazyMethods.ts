import { catchError, concat, defer, distinctUntilChanged, filter, map, type Observable, of } from 'rxjs';
import { type EtcdError, isEtcdError } from '../errors/index.js';
import { deferLight } from '../util/lightObservable.js';
import { handOver, LazyModule } from '../util/rx.js';
import type { BytesLike } from '../model/bytes.js';
import type { KeyValue } from '../model/keyValue.js';
import type { Range } from '../model/range.js';
import type { Validator } from '../model/validator.js';
import type { lives, LiveValueOptions, ViewState } from './live/live.js';
import type { LiveUpdate } from './live/liveRange.js';
import { toWatchTarget } from './messages.js';
import type { CombinedUpdate, CombinedValue, CombineLiveOptions, LiveParts } from './composed/combineLive.js';
import type { Composition, composition } from './composed/composition.js';
import type { ConfigUpdate, LiveConfigOptions } from './composed/liveConfig.js';
import type { PutConfigOptions, PutConfigResult } from './composed/putConfig.js';
import type { Cache, CacheOptions } from './cache/cache.js';
import type { heldCaches } from './cache/heldCaches.js';

/** Loads live ranges, and the library for persistent maps, on demand. Many programs do not need them. */
export const liveModule = new LazyModule(() => import('./live/live.js'));

/**
 * Creates the methods for live ranges. This module has only the names of the methods; the code is loaded with the first
 * subscription.
 */
export function liveMethods(...deps: Parameters<typeof lives>) {
  let made: ReturnType<typeof lives> | undefined;
  const lives$ = liveModule.module$.pipe(map((module) => (made ??= module.lives(...deps))));
  const living = <T>(use: (methods: ReturnType<typeof lives>) => Observable<T>): Observable<T> =>
    deferLight(() => (made === undefined ? handOver(lives$, use) : use(made)));
  // A view emits its first state at once, before the code is loaded, and never errors.
  const viewing = <T>(use: (methods: ReturnType<typeof lives>) => Observable<ViewState<T>>): Observable<ViewState<T>> =>
    defer(() => {
      if (made !== undefined) return use(made);
      const loaded = living(use).pipe(
        // The first state of the loaded code is dropped if it equals the state that was emitted already.
        filter(({ status, error }, index) => index > 0 || status !== 'loading' || error !== undefined),
        catchError((error: unknown) => of(noValue<T>('failed', isEtcdError(error) ? error : undefined))),
      );
      return concat(of(noValue<T>('loading')), loaded);
    });

  const liveState = (range: Range): Observable<ViewState<ReadonlyMap<string, KeyValue>>> => viewing((methods) => methods.liveState(range));
  return {
    live: (range: Range): Observable<LiveUpdate> => living(({ live }) => live(range)),
    liveValue: <A>(key: BytesLike, options: LiveValueOptions<A>): Observable<A | undefined> =>
      living(({ liveValue }) => liveValue(key, options)),
    liveState,
    liveReady: (range: Range): Observable<boolean> =>
      defer(() => {
        // Checks the range on subscription, outside the view. An invalid range is a mistake in the program, so it is
        // not shown as a state of the view.
        toWatchTarget(range);
        return liveState(range).pipe(
          map(({ status }) => status === 'live'),
          distinctUntilChanged(),
        );
      }),
    liveValueState: <A>(key: BytesLike, options: { readonly codec: Validator<A> }): Observable<ViewState<A | undefined>> =>
      viewing(({ liveValueState }) => liveValueState(key, options)),
  };
}

const noValue = <T>(status: 'loading' | 'failed', error?: EtcdError): ViewState<T> => ({ status, value: undefined, error });

/** Loads the code that composes live ranges on demand. Many programs do not need it. */
export const compositionModule = new LazyModule(() => import('./composed/composition.js'));

/**
 * Creates the methods that compose live ranges. This module has only the names of the methods; the code is loaded with
 * the first subscription.
 */
export function composedMethods(...deps: Parameters<typeof composition>) {
  let made: Composition | undefined;
  const composed$ = compositionModule.module$.pipe(map((module) => (made ??= module.composition(...deps))));
  const composed = <T>(use: (methods: Composition) => Observable<T>): Observable<T> => handOver(composed$, use);

  return {
    combineLive: <P extends LiveParts>(parts: P, options?: CombineLiveOptions<P>): Observable<CombinedUpdate<P>> =>
      composed((methods) => methods.combineLive(parts, options)),
    combineLiveState: <P extends LiveParts>(parts: P): Observable<ViewState<CombinedValue<P>>> =>
      composed((methods) => methods.combineLiveState(parts)),
    liveConfig: <A>(prefix: string | readonly string[], options: LiveConfigOptions<A>): Observable<ConfigUpdate<A>> =>
      composed((methods) => methods.liveConfig(prefix, options)),
    liveConfigState: <A>(prefix: string | readonly string[], options: LiveConfigOptions<A>): Observable<ViewState<A>> =>
      composed((methods) => methods.liveConfigState(prefix, options)),
    putConfig: (prefix: string, config: object, options?: PutConfigOptions): Observable<PutConfigResult> =>
      composed((methods) => methods.putConfig(prefix, config, options)),
  };
}

/** Loads the cache on demand. Many programs do not need it. */
export const cacheModule = new LazyModule(() => import('./cache/heldCaches.js'));

/**
 * Creates the method for caches. This module has only the name of the method; the code is loaded with the first
 * subscription.
 */
export function caches(...deps: Parameters<typeof heldCaches>) {
  let made: ReturnType<typeof heldCaches> | undefined;
  return {
    cache: (range: Range, options: CacheOptions = {}): Observable<Cache> =>
      handOver(cacheModule.module$, (module) => (made ??= module.heldCaches(...deps))(range, options)),
  };
}
