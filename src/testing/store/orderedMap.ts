import type { Key, KeySpan } from './keys.js';

/** The maximum number of entries in a chunk, and the maximum number of entries that an insertion moves. */
const CHUNK = 512;

/**
 * Holds entries in the order of their keys. The entries are in sorted chunks, so that an insertion among 100 000 keys
 * moves at most 512 of them. The beginning of a range is found by binary search.
 */
export class OrderedMap<E extends { readonly key: Key }> {
  private readonly byKey = new Map<Key, E>();
  /** The chunks, in order. Only the first chunk may be empty. */
  private readonly chunks: E[][] = [[]];

  get size(): number {
    return this.byKey.size;
  }

  get(key: Key): E | undefined {
    return this.byKey.get(key);
  }

  /** Adds an entry. There must be no entry with the same key. */
  add(entry: E): void {
    this.byKey.set(entry.key, entry);
    const place = this.chunkOf(entry.key);
    const chunk = this.chunkAt(place);
    chunk.splice(firstFrom(chunk, entry.key), 0, entry);
    if (chunk.length > CHUNK) this.chunks.splice(place + 1, 0, chunk.splice(CHUNK / 2));
  }

  delete(key: Key): void {
    if (!this.byKey.delete(key)) return;
    const place = this.chunkOf(key);
    const chunk = this.chunkAt(place);
    chunk.splice(firstFrom(chunk, key), 1);
    if (chunk.length === 0 && this.chunks.length > 1) this.chunks.splice(place, 1);
  }

  /** Calls a function with each entry of a span, in order. The function must not add or delete entries. */
  forEach({ from, to, single }: KeySpan, visit: (entry: E) => void): void {
    if (single) {
      const entry = this.byKey.get(from);
      if (entry !== undefined) visit(entry);
      return;
    }
    let place = this.chunkOf(from);
    for (let at = firstFrom(this.chunkAt(place), from); place < this.chunks.length; place++, at = 0) {
      const chunk = this.chunkAt(place);
      for (; at < chunk.length; at++) {
        const entry = chunk[at];
        if (entry === undefined || (to !== undefined && entry.key >= to)) return;
        visit(entry);
      }
    }
  }

  /** Returns all entries, in order. */
  all(): readonly E[] {
    return this.chunks.flat();
  }

  private chunkAt(place: number): E[] {
    return this.chunks[place] ?? [];
  }

  /** Returns the index of the last chunk that begins at or before a key. */
  private chunkOf(key: Key): number {
    let low = 0;
    let high = this.chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const first = this.chunks[middle]?.[0];
      if (first !== undefined && first.key <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Returns the index of the first entry whose key is not below the given key. */
function firstFrom(entries: readonly { readonly key: Key }[], key: Key): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = entries[middle];
    if (entry !== undefined && entry.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
