import { Map as PersistentMap } from 'immutable';
import { defer, filter, map, startWith, type OperatorFunction } from 'rxjs';
import { checkArgument, checkOptions } from '../src/model/validate.js';
import type { KeyValue } from '../src/model/keyValue.js';
import type { WatchEvent } from '../src/model/watchEvent.js';
import { keyId } from '../src/model/keyId.js';
import { ITERABLE, KEY_VALUE } from './internal/validators.js';
import type { WholeRevision } from './internal/revisioned.js';
import { Snapshot } from '../src/model/immutableMapView.js';

export interface FoldEventsConfig {
  /** What there is before the first event: what a range gave. Read once, when the operator is made. Default: nothing. */
  readonly seed?: Iterable<KeyValue>;
}

/**
 * Keeps the state that events add up to: a map from key to `KeyValue`, emitted anew after each item that changes it. RxJS' `scan`, with the
 * accumulator that etcd's events want.
 *
 * ```text
 * source:  ----P(a)--P(b)------D(a)--|
 *          foldEvents()
 * result:  ----{a}---{a, b}----{b}---|
 * ```
 *
 * With a seed, even an empty one, that state is emitted first. Without, nothing comes before the first event.
 *
 * Each map is a snapshot that never changes: keep it, compare it, hand it out. It shares its structure with the one before, so an event
 * costs O(log n) however many keys there are. The order of iteration is not specified.
 *
 * An event that is not newer than what the state has of its key is ignored; so is the delete of a key that is not there. A deleted key is
 * forgotten, so an older put of it would bring it back: start after what the seed knows, with {@link afterRevision} or a watch from there.
 * Events come one by one, and a state between two events of one transaction never was in etcd: fold whole revisions, of `watchBatches` or
 * {@link byRevision}, for true ones. `etcd.live(range)` gives the list, the watch and the state in one.
 *
 * Keys that are not UTF-8 text are filed under U+FFFD and their bytes in base64, so that no two share a place.
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
 * @param config What to begin with.
 * @return A function that returns an Observable of states.
 */
export function foldEvents(
  config: FoldEventsConfig = {},
): OperatorFunction<WatchEvent | WholeRevision<WatchEvent>, ReadonlyMap<string, KeyValue>> {
  const { seed } = checkOptions('foldEvents', config, { seed: ITERABLE });
  const start = PersistentMap(Array.from(seed ?? [], seedEntry));
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

function seedEntry(kv: KeyValue, index: number): [id: string, KeyValue] {
  checkArgument('foldEvents', `seed[${index}]`, kv, KEY_VALUE);
  return [keyId(kv), kv];
}

function apply(draft: PersistentMap<string, KeyValue>, { type, kv, revision }: WatchEvent): void {
  const id = keyId(kv);
  const known = draft.get(id);
  if (known !== undefined && revision <= known.modRevision) return;
  if (type === 'put') draft.set(id, kv);
  else draft.delete(id);
}
