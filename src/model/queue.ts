/** First in, first out. `Array.prototype.shift` moves all that remains; here a take costs the same however much waits. */
export class Queue<T extends object> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** What the next {@link take} gives. */
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
    // Half of it is holes: moving the rest now costs one step a take, over time.
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
