import type { Map as PersistentMap } from 'immutable';

/**
 * An immutable state, as a `ReadonlyMap`. The persistent map behind it shares all but O(log n) with the state before.
 * It is wrapped because its iterators differ from JavaScript's, and so that its methods do not become part of our API.
 */
export class Snapshot<V> implements ReadonlyMap<string, V> {
  readonly #entries: PersistentMap<string, V>;

  constructor(entries: PersistentMap<string, V>) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  forEach(callback: (value: V, key: string, map: ReadonlyMap<string, V>) => void, thisArg?: unknown): void {
    for (const [key, value] of this.#entries) callback.call(thisArg, value, key, this);
  }

  *entries(): MapIterator<[string, V]> {
    yield* this.#entries;
  }

  *keys(): MapIterator<string> {
    yield* this.#entries.keys();
  }

  *values(): MapIterator<V> {
    yield* this.#entries.values();
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  /** Returns an object with a field for each key, for `JSON.stringify`. */
  toJSON(): Record<string, V> {
    return Object.fromEntries(this.#entries);
  }

  /** Returns the form for Node's `console.log`. The symbol is registered, so that no import depends on Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    return new Map(this.#entries);
  }
}
