import { defer, type Observable } from 'rxjs';
import type { Range } from '../../model/range.js';
import type { KvService } from '../../services/kv.js';
import { toWatchTarget } from '../messages.js';
import { view, type ViewState } from '../live/live.js';
import type { ReadPages } from '../live/listAndWatch.js';
import { SharedStates } from '../live/sharedStates.js';
import { rangeIdentity } from '../watch.js';
import type { WatchesDeps } from '../watcher.js';
import {
  combinedReadings,
  combinedUpdates,
  followedParts,
  type CombinedUpdate,
  type CombinedValue,
  type CombineLiveOptions,
  type Followed,
  type LiveParts,
} from './combineLive.js';
import { jointUpdates, type JointUpdate } from './jointRange.js';
import { configReadings, configUpdates, layersOf, type ConfigUpdate, type LiveConfigOptions } from './liveConfig.js';
import { putConfig, type PutConfigOptions, type PutConfigResult } from './putConfig.js';

/** The dependencies of composition, in addition to those of watches. */
export interface CompositionDeps {
  readonly kv: KvService;
  readonly readPages: ReadPages;
  readonly closed: Observable<void>;
  readonly lingerMs: number;
}

/** The methods that compose live ranges, and `putConfig`, which writes a config. */
export type Composition = ReturnType<typeof composition>;

/** Creates the methods that compose live ranges, over the watches of a client. */
export function composition(deps: WatchesDeps, { kv, readPages, closed, lingerMs }: CompositionDeps) {
  const shared = new SharedStates<JointUpdate>(deps, closed, lingerMs, {
    snapshot: ({ revision, states }) => ({ type: 'snapshot', revision, states }),
    stateOf: ({ revision, states }, index) => ({ revision, state: states[index] ?? new Map() }),
  });

  /** Returns the arguments with which {@link SharedStates} shares the updates of ranges. */
  const joint = (ranges: readonly Range[]): Parameters<SharedStates<JointUpdate>['of']> => {
    const targets = ranges.map((range) => toWatchTarget(range));
    return [targets.map(rangeIdentity).join(','), targets, (follower) => jointUpdates(ranges, readPages, deps, follower)];
  };

  return {
    combineLive: <P extends LiveParts>(parts: P, options: CombineLiveOptions<P> = {}): Observable<CombinedUpdate<P>> =>
      defer(() => {
        const followed = followedParts('combineLive', parts);
        return combinedUpdates<P>(followed, shared.of(...joint(rangesOf(followed))), options);
      }),
    combineLiveState: <P extends LiveParts>(parts: P): Observable<ViewState<CombinedValue<P>>> =>
      view(
        defer(() => {
          const followed = followedParts('combineLiveState', parts);
          return combinedReadings<P>(followed, shared.viewed(...joint(rangesOf(followed))));
        }),
        deps,
      ),
    liveConfig: <A>(prefix: string | readonly string[], options: LiveConfigOptions<A>): Observable<ConfigUpdate<A>> =>
      defer(() => {
        const layers = layersOf('liveConfig', prefix);
        return configUpdates(layers, shared.of(...joint(layers.map((layer) => ({ prefix: layer })))), options);
      }),
    liveConfigState: <A>(prefix: string | readonly string[], options: LiveConfigOptions<A>): Observable<ViewState<A>> =>
      view(
        defer(() => {
          const layers = layersOf('liveConfigState', prefix);
          return configReadings(layers, shared.viewed(...joint(layers.map((layer) => ({ prefix: layer })))), options);
        }),
        deps,
      ),
    putConfig: (prefix: string, config: object, options?: PutConfigOptions): Observable<PutConfigResult> =>
      putConfig(kv, prefix, config, options),
  };
}

const rangesOf = (followed: readonly Followed[]): readonly Range[] => followed.map(({ range }) => range);
