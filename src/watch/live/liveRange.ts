import { Map as ImmutableMap } from 'immutable';
import { toBase64 } from '../../model/bytes.js';
import { keyId, KeyValue } from '../../model/keyValue.js';
import { Snapshot } from '../../model/immutableMapView.js';
import { mapKey, type MapKey, type PersistentMap } from '../../model/persistentMap.js';
import type { WatchEvent } from '../../model/events.js';
import { map, type Observable, of } from 'rxjs';
import type { Range } from '../../model/range.js';
import type { WatchTarget } from '../messages.js';
import type { WatcherDeps } from '../watcher.js';
import { deferLight } from '../../util/lightObservable.js';
import {
  listAndWatch,
  type Collector,
  type Follower,
  inSlices,
  listKeys,
  type ListedKeys,
  type ReadPages,
  type Steps,
} from './listAndWatch.js';

/** A state of a live range, with the changes that led to it. */
export interface LiveUpdate {
  /**
   * - `snapshot`: the state when you subscribed; `changes` is empty
   * - `change`: one revision; `changes` are its events
   * - `resync`: the range was listed again; `changes` is the difference from the last state, deletes included. Either
   *   the history was compacted, or a response with it was too long, or the store was wiped, restored or replaced.
   */
  readonly type: 'snapshot' | 'change' | 'resync';
  /** The revision of the store that this state shows. */
  readonly revision: number;
  /**
   * The keys with their values, by key. The map never changes, so you can keep it, compare it and share it. A key that
   * is not UTF-8 is in the map as U+FFFD followed by the base64 of its bytes.
   */
  readonly state: ReadonlyMap<string, KeyValue>;
  /** The changes, each with the previous key-value if there was one. */
  readonly changes: readonly WatchEvent[];
}

/** A range as it was listed. */
export type ListedRange = ListedKeys<LiveEntries>;

/** Lists a range, and then watches it from the next revision on, so that no change is missed. */
export const liveUpdates = (
  range: Range,
  target: WatchTarget,
  readPages: ReadPages,
  deps: WatcherDeps,
  follower?: Follower<LiveUpdate>,
): Observable<LiveUpdate> =>
  deferLight(() => {
    let current: LiveEntries | undefined;
    return listAndWatch<ListedRange, LiveUpdate>(
      {
        target,
        follower,
        list: () => listRange(range, readPages),
        begin: ({ entries, revision }) => {
          const before = current;
          current = entries;
          const state = entries.snapshot;
          if (before === undefined) return of({ type: 'snapshot', revision, state, changes: [] });
          return inSlices(() => before.changesTo(entries, revision)).pipe(
            map((changes): LiveUpdate => ({ type: 'resync', revision, state, changes })),
          );
        },
        change: ({ revision, events }) => {
          const next = current?.apply(events);
          if (next === undefined) return undefined;
          current = next.entries;
          return { type: 'change', revision, state: next.entries.snapshot, changes: next.changes };
        },
      },
      deps,
    );
  });

/** Lists a range, at the current revision or at an earlier one. */
export const listRange = (range: Range, readPages: ReadPages, at?: number): Observable<ListedRange> =>
  listKeys(() => LiveEntries.gather(), range, readPages, at);

type Entries = PersistentMap<KeyValue>;

/** The key-values of a range at a revision. A new state shares all unchanged parts with the old state. */
export class LiveEntries {
  private constructor(private readonly entries: Entries) {}

  /** Collects key-values that arrive in pages. */
  static gather(): Collector<LiveEntries> {
    const draft = ImmutableMap<MapKey, KeyValue>().asMutable();
    return {
      *add(kvs) {
        for (const kv of kvs) {
          draft.set(mapKey(keyId(kv)), kv);
          yield;
        }
      },
      done: () => new LiveEntries(draft.asImmutable()),
    };
  }

  get snapshot(): ReadonlyMap<string, KeyValue> {
    return new Snapshot(this.entries);
  }

  /**
   * Returns the state after the events of a revision, and the events with the previous key-values. The previous
   * key-values are always taken from the state, even if the server has sent them.
   */
  apply(events: readonly WatchEvent[]): { readonly entries: LiveEntries; readonly changes: readonly WatchEvent[] } {
    const changes: WatchEvent[] = [];
    // For one change, a persistent map costs less than a mutable draft of it.
    let entries = events.length === 1 ? this.entries : this.entries.asMutable();
    for (const event of events) {
      const id = mapKey(keyId(event.kv));
      const prevKv = entries.get(id);
      changes.push(prevKv === undefined ? event : { ...event, prevKv });
      entries = event.type === 'put' ? entries.set(id, event.kv) : entries.delete(id);
    }
    return { entries: new LiveEntries(entries.asImmutable()), changes };
  }

  /**
   * Derives the events between this state and a later one from the two states, as the history is lost. Keys that are
   * missing in the later state were deleted.
   */
  *changesTo(later: LiveEntries, revision: number): Steps<readonly WatchEvent[]> {
    const changes: WatchEvent[] = [];
    for (const [id, prevKv] of this.entries) {
      yield;
      if (!later.entries.has(id)) changes.push({ type: 'delete', kv: tombstone(prevKv, revision), prevKv, revision });
    }
    for (const [id, kv] of later.entries) {
      yield;
      const prevKv = this.entries.get(id);
      if (prevKv === undefined || !kv.isUnchangedSince(prevKv))
        changes.push({ type: 'put', kv, ...(prevKv === undefined ? {} : { prevKv }), revision: kv.modRevision });
    }
    return changes;
  }
}

/** Returns a deleted key as etcd sends it: the key, and the revision at which it is known to be deleted. */
function tombstone({ keyBytes }: KeyValue, revision: number): KeyValue {
  return new KeyValue({ key64: toBase64(keyBytes), value64: '', createRevision: 0, modRevision: revision, version: 0, lease: undefined });
}
