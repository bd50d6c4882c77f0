import type { CachedRange, KeyValue, WatchBatch } from '../../../src/index.js';

/** The version of a key that a read found; undefined if the key did not exist. */
export type Found = Pick<KeyValue, 'key' | 'value' | 'modRevision'>;

/** A read, with its bounds. */
interface Read {
  /** The revision that was confirmed to a client before the read began. */
  readonly low: number;
  /** The number of writes that had begun before the read ended. */
  readonly begunWrites: number;
  /** The key that was read; undefined for the whole range. */
  readonly key: string | undefined;
  readonly found: readonly Found[];
}

const line = ({ key, value, modRevision }: Found): string => `${key}=${value}@${modRevision}`;

/**
 * Checks that reads are linearizable, by the whole history of the store. A response has to match the store at some
 * revision between two bounds. The lower bound covers all writes that were confirmed, and all results that another read
 * had received, before the read began. The upper bound is below every write that began after the read had ended.
 */
export class LinearizabilityChecker {
  private reads: Read[] = [];
  /** The revisions with events, each with the state after it. */
  private states: { readonly revision: number; readonly state: ReadonlyMap<string, string> }[] = [];
  private readonly present = new Map<string, string>();
  /** The writes in the order in which they began; the revision is set once it is confirmed. */
  private writes: { revision: number }[] = [];
  private confirmed = 0;
  /** The number of previous stores, of their reads, and of the faults in these. */
  private readonly before = { stores: 0, reads: 0, faults: [] as readonly string[] };
  /** The newest revision of the history. */
  revision = 0;

  get count(): number {
    return this.before.reads + this.reads.length;
  }

  /** Begins again with another, empty store. A read or write that spans both stores is not checked. */
  storeReplaced(): void {
    this.before.faults = this.faults();
    this.before.reads = this.count;
    this.before.stores += 1;
    this.reads = [];
    this.states = [];
    this.writes = [];
    this.present.clear();
    this.confirmed = this.revision = 0;
  }

  /**
   * Records that a write begins. Returns a function that records its success. The header of a delete that found no key
   * has the revision of another write, which may have begun earlier.
   */
  beginWrite(): (revision: number, changed: boolean) => void {
    const write = { revision: Infinity };
    const { stores } = this.before;
    this.writes.push(write);
    return (revision, changed) => {
      if (stores !== this.before.stores) return;
      if (changed) write.revision = revision;
      this.confirm(revision);
    };
  }

  /** Records that a read begins. Returns a function that records its result. */
  beginRead(key: string | undefined): (found: readonly Found[]) => void {
    const low = this.confirmed;
    const { stores } = this.before;
    return (found) => {
      if (stores !== this.before.stores) return;
      this.reads.push({ low, begunWrites: this.writes.length, key, found });
      // Local reads are evidence as well: what they returned was committed.
      for (const { modRevision } of found) this.confirm(modRevision);
    };
  }

  beginRange(): (range: CachedRange) => void {
    const end = this.beginRead(undefined);
    return ({ kvs }) => end(kvs);
  }

  /** Adds a part of the history; the parts start at the first revision. */
  accept({ type, revision, events }: WatchBatch): void {
    this.revision = revision;
    if (type !== 'events') return;
    for (const { type: change, kv } of events) {
      if (change === 'put') this.present.set(kv.key, line(kv));
      else this.present.delete(kv.key);
    }
    this.states.push({ revision, state: new Map(this.present) });
  }

  /** Returns a line for each read whose result was not in the store within its bounds. */
  faults(): readonly string[] {
    // Returns the lowest revision of a write that began at or after an index in the list.
    const next = this.writes.map(({ revision }) => revision);
    for (let at = next.length - 2; at >= 0; at--) next[at] = Math.min(next[at] ?? Infinity, next[at + 1] ?? Infinity);
    const wrong = this.reads.flatMap(({ low, begunWrites, key, found }) => {
      const high = (next[begunWrites] ?? Infinity) - 1;
      const lines = found.map(line).sort().join();
      const shown = (state: ReadonlyMap<string, string>): string =>
        key === undefined ? [...state.values()].sort().join() : (state.get(key) ?? '');
      const first = this.placeOf(low);
      const before = first === -1 ? [new Map<string, string>()] : [];
      const until = Math.max(first, this.placeOf(high));
      const states = [...before, ...this.states.slice(Math.max(0, first), until + 1).map(({ state }) => state)];
      if (states.some((state) => shown(state) === lines)) return [];
      return [`read of ${key ?? 'all'} between ${low} and ${high}: ${lines}, of ${states.slice(0, 5).map(shown).join('; ')}`];
    });
    return [...this.before.faults, ...wrong];
  }

  private confirm(revision: number): void {
    this.confirmed = Math.max(this.confirmed, revision);
  }

  /** Returns the index of the last state that is not above a revision; -1 for the empty state before all. */
  private placeOf(revision: number): number {
    let [low, high] = [0, this.states.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.states[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
