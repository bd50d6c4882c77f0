import { mapKey, textOfKey, type PersistentMap } from './persistentMap.js';

/**
 * An immutable state, as a `ReadonlyMap`. The persistent map behind it shares all but O(log n) of its memory with the
 * previous state. The persistent map is wrapped, as its iterators differ from those of JavaScript, and as its other
 * methods must not become part of our API.
 */
export class Snapshot<V> implements ReadonlyMap<string, V> {
  readonly #entries: PersistentMap<V>;

  constructor(entries: PersistentMap<V>) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    return this.#entries.get(mapKey(key));
  }

  has(key: string): boolean {
    return this.#entries.has(mapKey(key));
  }

  forEach(callback: (value: V, key: string, map: ReadonlyMap<string, V>) => void, thisArg?: unknown): void {
    for (const [key, value] of this.#entries) callback.call(thisArg, value, textOfKey(key), this);
  }

  *entries(): MapIterator<[string, V]> {
    for (const [key, value] of this.#entries) yield [textOfKey(key), value];
  }

  *keys(): MapIterator<string> {
    for (const key of this.#entries.keys()) yield textOfKey(key);
  }

  *values(): MapIterator<V> {
    yield* this.#entries.values();
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  /** Returns an object with a field for each key, for `JSON.stringify`. */
  toJSON(): Record<string, V> {
    return Object.fromEntries(this);
  }

  /**
   * Returns the form for Node's `console.log`. The symbol comes from the global registry, so that nothing has to be
   * imported from Node.
   */
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    return new Map(this);
  }
}
