/**
 * A first-in, first-out queue. Taking an item takes the same time at any length, while `Array.prototype.shift` moves
 * all remaining items.
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
    // Half of the array is unused. If the items are moved only now, each `take` moves one item on average.
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
