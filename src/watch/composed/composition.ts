import { defer, type Observable } from 'rxjs';
import { toWatchTarget } from '../messages.js';
import { view, type ViewState } from '../live/live.js';
import type { ReadPages } from '../live/liveRange.js';
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

/** The methods that compose live ranges. */
export type Composition = ReturnType<typeof composition>;

/** Creates the methods that compose live ranges, over the watches of a client. */
export function composition(deps: WatchesDeps, readPages: ReadPages, closed: Observable<void>, lingerMs: number) {
  const shared = new SharedStates<JointUpdate>(deps, closed, lingerMs, {
    snapshot: ({ revision, states }) => ({ type: 'snapshot', revision, states }),
    stateOf: ({ revision, states }, index) => ({ revision, state: states[index] ?? new Map() }),
  });

  /** Returns what joins the shared updates of parts. */
  const joint = (followed: readonly Followed[]): Parameters<SharedStates<JointUpdate>['of']> => {
    const ranges = followed.map(({ range }) => range);
    const targets = ranges.map((range) => toWatchTarget(range));
    const run = (listing: () => void): Observable<JointUpdate> => {
      const read: ReadPages = (range, revision) => {
        // The other ranges are read as of the revision of the first.
        if (revision === undefined) listing();
        return readPages(range, revision);
      };
      return jointUpdates(ranges, read, deps);
    };
    return [targets.map(rangeIdentity).join(','), targets, run];
  };

  return {
    combineLive: <P extends LiveParts>(parts: P, options: CombineLiveOptions<P> = {}): Observable<CombinedUpdate<P>> =>
      defer(() => {
        const followed = followedParts('combineLive', parts);
        return combinedUpdates<P>(followed, shared.of(...joint(followed)), options);
      }),
    combineLiveState: <P extends LiveParts>(parts: P): Observable<ViewState<CombinedValue<P>>> =>
      view(
        defer(() => {
          const followed = followedParts('combineLiveState', parts);
          return combinedReadings<P>(followed, shared.viewed(...joint(followed)));
        }),
        deps,
      ),
  };
}
