import { Map as ImmutableMap } from 'immutable';
import { defer, filter, map, startWith, type OperatorFunction } from 'rxjs';
import { checkArgument, checkOptions } from '../src/model/validate.js';
import { keyId, type KeyValue } from '../src/model/keyValue.js';
import type { WatchEvent } from '../src/model/events.js';
import { ITERABLE, KEY_VALUE } from './internal/validators.js';
import type { WholeRevision } from './internal/revisionCursor.js';
import { Snapshot } from '../src/model/immutableMapView.js';
import { mapKey, type MapKey, type PersistentMap } from '../src/model/persistentMap.js';

export interface FoldEventsOptions {
  /**
   * The state before the first event, such as the result of a range. It is read once, when the operator is created.
   * Default: an empty state.
   */
  readonly seed?: Iterable<KeyValue>;
}

/**
 * Accumulates events into a state, which is a map from key to `KeyValue`. Emits the state after each item that changes
 * it. It is RxJS' `scan` with an accumulator for etcd's events.
 *
 * ```text
 * source:  ----P(a)--P(b)------D(a)--|
 *          foldEvents()
 * result:  ----{a}---{a, b}----{b}---|
 * ```
 *
 * With a seed, even an empty one, the state of the seed is emitted first. Without a seed, nothing is emitted before the
 * first event.
 *
 * Each map is immutable, and shares its structure with the previous one, so that an event costs O(log n). The order of
 * iteration is not specified.
 *
 * An event is ignored if it is not newer than the state of its key. The delete of a missing key is ignored, too.
 * Deleted keys are not remembered, so an older put of a deleted key would add the key again. To avoid older events,
 * start after the revision of the seed, with {@link afterRevision} or the `startRevision` of a watch. A state between
 * two events of one txn never existed in etcd. To avoid such states, fold whole revisions, from `watchBatches` or
 * {@link byRevision}. `etcd.live(range)` combines the list, the watch and the state.
 *
 * A key that is not UTF-8 appears in the map as U+FFFD followed by its bytes in base64, so that it is unique.
 *
 * ## Example
 *
 * ```ts
 * etcd.watchBatches({ prefix: 'services/' }).pipe(foldEvents({ seed: [] })).subscribe((services) => {
 *   console.log(services.size, services.get('services/a')?.value);
 * });
 *
 * // etcdctl put services/a 10.0.0.1
 * // etcdctl put services/b 10.0.0.2
 * // etcdctl del services/a
 * // Logs:
 * // 0 undefined
 * // 1 10.0.0.1
 * // 2 10.0.0.1
 * // 1 undefined
 * ```
 *
 * @see {@link afterRevision}
 * @see {@link byRevision}
 * @see {@link changedValues}
 *
 * @param options The state to begin with.
 * @return A function that returns an Observable of states.
 */
export function foldEvents(
  options: FoldEventsOptions = {},
): OperatorFunction<WatchEvent | WholeRevision<WatchEvent>, ReadonlyMap<string, KeyValue>> {
  const { seed } = checkOptions('foldEvents', options, { seed: ITERABLE });
  const start = ImmutableMap(Array.from(seed ?? [], seedEntry));
  return (source) =>
    defer(() => {
      let state = start;
      const states = source.pipe(
        map((item) => {
          const before = state;
          state = state.withMutations((draft) => {
            for (const event of 'events' in item ? item.events : [item]) apply(draft, event);
          });
          return state === before ? undefined : new Snapshot(state);
        }),
        filter((snapshot) => snapshot !== undefined),
      );
      return seed === undefined ? states : states.pipe(startWith(new Snapshot(start)));
    });
}

function seedEntry(kv: KeyValue, index: number): [id: MapKey, KeyValue] {
  checkArgument('foldEvents', `seed[${index}]`, kv, KEY_VALUE);
  return [mapKey(keyId(kv)), kv];
}

function apply(draft: PersistentMap<KeyValue>, { type, kv, revision }: WatchEvent): void {
  const id = mapKey(keyId(kv));
  const known = draft.get(id);
  if (known !== undefined && revision <= known.modRevision) return;
  if (type === 'put') draft.set(id, kv);
  else draft.delete(id);
}
