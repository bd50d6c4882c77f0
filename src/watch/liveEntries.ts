import { Map as PersistentMap } from 'immutable';
import { toBase64 } from '../model/bytes.js';
import { keyId } from '../model/keyId.js';
import { KeyValue } from '../model/keyValue.js';
import { Snapshot } from '../model/immutableMapView.js';
import type { WatchEvent } from '../model/watchEvent.js';

type Entries = PersistentMap<string, KeyValue>;

/** What a range holds at a revision; a new one shares with the old all that did not change. */
export class LiveEntries {
  private constructor(private readonly entries: Entries) {}

  static of(kvs: Iterable<KeyValue>): LiveEntries {
    const gathering = LiveEntries.gather();
    gathering.add(kvs);
    return gathering.done();
  }

  /** Entries that come in by and by. */
  static gather(): { add(kvs: Iterable<KeyValue>): void; done(): LiveEntries } {
    const draft = PersistentMap<string, KeyValue>().asMutable();
    return {
      add: (kvs) => {
        for (const kv of kvs) draft.set(keyId(kv), kv);
      },
      done: () => new LiveEntries(draft.asImmutable()),
    };
  }

  get snapshot(): ReadonlyMap<string, KeyValue> {
    return new Snapshot(this.entries);
  }

  /** The state after the events of a revision, and the events with what was there before: that is known here, whether the server told it or not. */
  apply(events: readonly WatchEvent[]): { readonly entries: LiveEntries; readonly changes: readonly WatchEvent[] } {
    const changes: WatchEvent[] = [];
    const entries = this.entries.withMutations((draft) => {
      for (const event of events) {
        const id = keyId(event.kv);
        const prevKv = draft.get(id);
        changes.push(prevKv === undefined ? event : { ...event, prevKv });
        if (event.type === 'put') draft.set(id, event.kv);
        else draft.delete(id);
      }
    });
    return { entries: new LiveEntries(entries), changes };
  }

  /** What must have happened between this state and a later one, of whose history nothing is left: keys that are gone were deleted. */
  changesTo(later: LiveEntries, revision: number): readonly WatchEvent[] {
    const changes: WatchEvent[] = [];
    for (const [id, prevKv] of this.entries) {
      if (!later.entries.has(id)) changes.push({ type: 'delete', kv: tombstone(prevKv, revision), prevKv, revision });
    }
    for (const [id, kv] of later.entries) {
      const prevKv = this.entries.get(id);
      if (prevKv === undefined || !kv.isUnchangedSince(prevKv))
        changes.push({ type: 'put', kv, ...(prevKv === undefined ? {} : { prevKv }), revision: kv.modRevision });
    }
    return changes;
  }
}

/** What etcd itself gives for a deleted key: its name, and the revision at which it is known to be gone. */
function tombstone({ keyBytes }: KeyValue, revision: number): KeyValue {
  return new KeyValue({ key64: toBase64(keyBytes), value64: '', createRevision: 0, modRevision: revision, version: 0, lease: undefined });
}
