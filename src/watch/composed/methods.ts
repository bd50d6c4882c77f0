import { map, type Observable } from 'rxjs';
import { handOver, LazyModule } from '../../util/rx.js';
import type { ViewState } from '../live/live.js';
import type { CombinedUpdate, CombinedValue, CombineLiveOptions, LiveParts } from './combineLive.js';
import type { Composition, composition } from './composition.js';
import type { ConfigUpdate, LiveConfigOptions } from './liveConfig.js';
import type { PutConfigOptions, PutConfigResult } from './putConfig.js';

/** Loaded on demand, as not every program composes live ranges. */
export const compositionModule = new LazyModule(() => import('./composition.js'));

/** Creates the methods that compose live ranges. All but their names is loaded with the first subscription. */
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
