import type { CachedRange, KeyValue, WatchBatch } from '../../../src/index.js';

/** How a read found a key: by its last change; undefined if it found none. */
export type Found = Pick<KeyValue, 'key' | 'value' | 'modRevision'>;

/** A read, and what was known around it. */
interface Read {
  /** The revision that was confirmed to somebody before the read began. */
  readonly low: number;
  /** The number of writes that had begun when it ended. */
  readonly begunWrites: number;
  /** The key that was read; undefined for the whole range. */
  readonly key: string | undefined;
  readonly found: readonly Found[];
}

const line = ({ key, value, modRevision }: Found): string => `${key}=${value}@${modRevision}`;

/**
 * Checks that reads are linearizable, by the whole history of the store. The answer to a read has to be that of the store at some revision between two bounds. All
 * writes that were confirmed before the read began are below it, and so is all that another read had found by then. A write that began after the read had ended is
 * above it.
 */
export class LinearizabilityChecker {
  private readonly reads: Read[] = [];
  /** The revisions with events, each with the state after it. */
  private readonly states: { readonly revision: number; readonly state: ReadonlyMap<string, string> }[] = [];
  private readonly present = new Map<string, string>();
  /** The writes in the order in which they began; the revision is set once it is confirmed. */
  private readonly writes: { revision: number }[] = [];
  private confirmed = 0;
  /** The newest revision of the history. */
  revision = 0;

  get count(): number {
    return this.reads.length;
  }

  /**
   * Notes that a write begins. Returns a function that notes its success. The header of a delete that found no key shows the revision of another write, which may
   * have begun earlier.
   */
  beginWrite(): (revision: number, changed: boolean) => void {
    const write = { revision: Infinity };
    this.writes.push(write);
    return (revision, changed) => {
      if (changed) write.revision = revision;
      this.confirm(revision);
    };
  }

  /** Notes that a read begins. Returns a function that notes its result. */
  beginRead(key: string | undefined): (found: readonly Found[]) => void {
    const low = this.confirmed;
    return (found) => {
      this.reads.push({ low, begunWrites: this.writes.length, key, found });
      // Local reads prove as much: what they found was committed.
      for (const { modRevision } of found) this.confirm(modRevision);
    };
  }

  beginRange(): (range: CachedRange) => void {
    const end = this.beginRead(undefined);
    return ({ kvs }) => end(kvs);
  }

  /** Takes a part of the history, from its first revision on. */
  accept({ type, revision, events }: WatchBatch): void {
    this.revision = revision;
    if (type !== 'events') return;
    for (const { type: change, kv } of events) {
      if (change === 'put') this.present.set(kv.key, line(kv));
      else this.present.delete(kv.key);
    }
    this.states.push({ revision, state: new Map(this.present) });
  }

  /** Returns a line for each read whose result the store did not have at the time. */
  faults(): readonly string[] {
    // The lowest revision of a write that began at or after a place in the list.
    const next = this.writes.map(({ revision }) => revision);
    for (let at = next.length - 2; at >= 0; at--) next[at] = Math.min(next[at] ?? Infinity, next[at + 1] ?? Infinity);
    return this.reads.flatMap(({ low, begunWrites, key, found }) => {
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
  }

  private confirm(revision: number): void {
    this.confirmed = Math.max(this.confirmed, revision);
  }

  /** Returns the place of the last state that is not above a revision; -1 for the empty one before all. */
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
