import type { LeaseId } from '../../model/ids.js';
import { KeyValue } from '../../model/keyValue.js';
import type { WatchEvent } from '../../model/events.js';
import { base64Of, type Key, type KeySpan } from './keys.js';
import { OrderedMap } from './orderedMap.js';
import { refusal } from './refusal.js';

/** A change of one key in the history. */
export interface Change {
  readonly key: Key;
  readonly event: WatchEvent;
}

/** A key with all its changes that are not compacted, the oldest first. */
interface History {
  readonly key: Key;
  readonly key64: string;
  readonly changes: Change[];
}

/** The new state of a key. */
export interface NewValue {
  readonly value64: string;
  readonly lease: LeaseId | undefined;
}

/** The number of bytes that etcd counts for each change, in addition to its key and value. */
const OVERHEAD_BYTES = 256;

/** Holds all keys with their revisions, as etcd's store does. */
export class Mvcc {
  private readonly keys = new OrderedMap<History>();
  /** All changes from the compacted revision on, in order. */
  private log: Change[] = [];
  private current = 1;
  private compacted = -1;
  /** The changes of the transaction in progress. */
  private pending: Change[] = [];
  /** The size of all versions of the keys, in bytes. */
  private used = 0;
  private putCount = 0;

  /**
   * @param onCommit called with the changes of each transaction that has changes
   * @param keepsTombstones whether a compaction keeps the deletions of exactly its revision
   */
  constructor(
    private readonly onCommit: (changes: readonly Change[]) => void,
    private readonly keepsTombstones: boolean,
  ) {}

  /** The revision of the store. Within a transaction with changes, it is the revision of the transaction. */
  get revision(): number {
    return this.pending.length === 0 ? this.current : this.current + 1;
  }

  /** The oldest revision that can be read; -1 before the first compaction. */
  get compactRevision(): number {
    return this.compacted;
  }

  /** The number of puts. Puts of keys that were deleted later are counted, too. */
  get puts(): number {
    return this.putCount;
  }

  get usedBytes(): number {
    return this.used;
  }

  /** Runs a transaction. All its changes have one revision. */
  transaction<A>(work: () => A): A {
    const response = work();
    const changes = this.pending;
    if (changes.length > 0) {
      this.current += 1;
      for (const change of changes) this.log.push(change);
      this.pending = [];
      this.onCommit(changes);
    }
    return response;
  }

  /** Stores a key within a transaction. */
  put(key: Key, { value64, lease }: NewValue): void {
    const history = this.keys.get(key) ?? this.created(key);
    const before = live(history.changes.at(-1));
    const modRevision = this.current + 1;
    const { createRevision, version } = before ?? { createRevision: modRevision, version: 0 };
    const kv = new KeyValue({ key64: history.key64, value64, createRevision, modRevision, version: version + 1, lease });
    this.append(history, { type: 'put', kv, revision: modRevision });
    this.putCount += 1;
  }

  /** Deletes the keys of a span within a transaction. Returns the keys as they were before. */
  delete(span: KeySpan): readonly KeyValue[] {
    const deleted: KeyValue[] = [];
    this.keys.forEach(span, (history) => {
      const before = live(history.changes.at(-1));
      if (before === undefined) return;
      deleted.push(before);
      const revision = this.current + 1;
      const kv = new KeyValue({
        key64: history.key64,
        value64: '',
        createRevision: 0,
        modRevision: revision,
        version: 0,
        lease: undefined,
      });
      this.append(history, { type: 'delete', kv, revision });
    });
    return deleted;
  }

  /** Returns the current state of a key; undefined if it does not exist. */
  get(key: Key): KeyValue | undefined {
    return live(this.keys.get(key)?.changes.at(-1));
  }

  /** Returns a key as it was at a revision; undefined if the key did not exist, or the revision is compacted. */
  getAt(key: Key, revision: number): KeyValue | undefined {
    const history = this.keys.get(key);
    return history === undefined || revision < this.compacted ? undefined : live(changeAt(history, revision));
  }

  /**
   * Calls a function with each key of a span that existed at a revision, in order.
   *
   * @param revision the revision; 0 or less for the current one
   */
  forEach(span: KeySpan, revision: number, visit: (kv: KeyValue) => void): void {
    this.checkRevision(revision);
    const now = revision <= 0 || revision >= this.revision;
    this.keys.forEach(span, (history) => {
      const kv = live(now ? history.changes.at(-1) : changeAt(history, revision));
      if (kv !== undefined) visit(kv);
    });
  }

  /**
   * Checks that a revision can be read.
   *
   * @throws Refusal if the store has not reached the revision, or the revision is compacted
   */
  checkRevision(revision: number): void {
    if (revision > this.revision) throw refusal('FutureRev');
    if (revision > 0 && revision < this.compacted) throw refusal('Compacted');
  }

  /** Calls a function with each change from a revision on, except compacted changes. */
  forEachChange(from: number, visit: (change: Change) => void): void {
    let low = 0;
    for (let high = this.log.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((this.log[middle]?.event.revision ?? from) < from) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < this.log.length; at++) {
      const change = this.log[at];
      if (change !== undefined) visit(change);
    }
  }

  /** Discards the history before a revision. */
  compact(revision: number): void {
    if (revision <= this.compacted) throw refusal('Compacted');
    if (revision > this.current) throw refusal('FutureRev');
    this.compacted = revision;
    const remains = ({ event }: Change): boolean => event.revision > revision || (event.revision === revision && this.keeps(event));
    this.log = this.log.filter(remains);
    for (const history of this.keys.all()) this.compactHistory(history, revision);
  }

  private compactHistory(history: History, revision: number): void {
    const { changes, key } = history;
    let superseded = changes.findLastIndex(({ event }) => event.revision <= revision);
    const last = changes[superseded]?.event;
    if (last !== undefined && last.type === 'delete' && !(last.revision === revision && this.keeps(last))) superseded += 1;
    for (const change of changes.splice(0, Math.max(superseded, 0))) this.used -= sizeOf(change);
    if (changes.length === 0) this.keys.delete(key);
  }

  private keeps({ type }: WatchEvent): boolean {
    return type === 'put' || this.keepsTombstones;
  }

  private created(key: Key): History {
    const history: History = { key, key64: base64Of(key), changes: [] };
    this.keys.add(history);
    return history;
  }

  private append(history: History, event: WatchEvent): void {
    const change: Change = { key: history.key, event };
    history.changes.push(change);
    this.pending.push(change);
    this.used += sizeOf(change);
  }
}

const live = (change: Change | undefined): KeyValue | undefined => (change?.event.type === 'put' ? change.event.kv : undefined);

/** Returns the last change of a key up to a revision. */
function changeAt({ changes }: History, revision: number): Change | undefined {
  let low = 0;
  for (let high = changes.length; low < high;) {
    const middle = (low + high) >> 1;
    if ((changes[middle]?.event.revision ?? revision) <= revision) low = middle + 1;
    else high = middle;
  }
  return changes[low - 1];
}

const sizeOf = ({ key, event }: Change): number => OVERHEAD_BYTES + key.length + (event.kv.base64Length * 3) / 4;
