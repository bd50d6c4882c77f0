import type { Item, PutEntry } from './putEntry.js';
import { Queue } from '../../src/util/queue.js';

/**
 * Holds the entries that wait to be written. etcd rejects a txn that puts a key twice, and two txns may run in any
 * order. So an entry waits until all earlier entries of its key have been written.
 */
export class EntryQueue<E extends PutEntry> {
  /** The entries that may be taken, in this order. */
  readonly #free = new Queue<Item<E>>();
  /** The keys that have an entry in {@link #free} or in a pending txn. */
  readonly #taken = new Set<string>();
  /** The entries that wait for an earlier entry of the same key, by key. */
  readonly #behind = new Map<string, Queue<Item<E>>>();
  /** The number of waiting entries. */
  #size = 0;
  /** The number of bytes that the waiting entries take in requests. */
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The number of waiting entries that may be taken. */
  get ready(): number {
    return this.#free.size;
  }

  add(item: Item<E>): void {
    const { keyId, bytes } = item;
    this.#size++;
    this.#bytes += bytes;
    const before = this.#taken.size;
    // `add` leaves the size unchanged if the element exists. Comparing the sizes takes half the time of a check with
    // `has`.
    this.#taken.add(keyId);
    if (this.#taken.size > before) return this.#free.add(item);
    const behind = this.#behind.get(keyId) ?? new Queue();
    behind.add(item);
    this.#behind.set(keyId, behind);
  }

  /** Returns the entries of the next txn: as many as allowed, but at least one of any size. */
  take(maxOps: number, maxBytes: number): readonly Item<E>[] {
    const batch: Item<E>[] = [];
    let left = maxBytes;
    for (let next = this.#free.first; next !== undefined && batch.length < maxOps; next = this.#free.first) {
      if (batch.length > 0 && next.bytes > left) break;
      left -= next.bytes;
      this.#size--;
      this.#bytes -= next.bytes;
      batch.push(next);
      this.#free.take();
    }
    return batch;
  }

  /** Releases the keys of written entries, so that the next entries of these keys may follow. */
  release(batch: readonly Item<E>[]): void {
    for (const { keyId } of batch) {
      const behind = this.#behind.get(keyId);
      const next = behind?.take();
      if (next === undefined) this.#taken.delete(keyId);
      else this.#free.add(next);
      if (behind?.size === 0) this.#behind.delete(keyId);
    }
  }

  /** Returns all waiting entries, in no particular order. */
  rest(): readonly Item<E>[] {
    const all: Item<E>[] = [];
    for (const queue of [this.#free, ...this.#behind.values()]) {
      for (let item = queue.take(); item !== undefined; item = queue.take()) all.push(item);
    }
    return all;
  }
}
