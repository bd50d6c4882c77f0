import type { Map as PersistentMap } from 'immutable';

/**
 * A first-in, first-out queue. Taking an item costs the same at any length, while `Array.prototype.shift` moves all
 * remaining items.
 */
export class Queue<T extends object> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The item that the next {@link take} returns. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  add(item: T): void {
    this.#items.push(item);
  }

  take(): T | undefined {
    const item = this.first;
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    // Half of the array is empty. Moving the rest now costs one step per take on average.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}

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
