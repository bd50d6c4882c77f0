import { atEndOfTurn } from './time.js';

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
 * How much work runs in a turn. Each piece takes some microseconds: together they block the event loop for a few
 * milliseconds.
 */
const WORKS_PER_TURN = 500;

/**
 * Spreads work over turns of the event loop. Work that fits into the present turn runs at once; the rest follows in
 * later turns, in the order in which it was given. One event can concern all watches of a client, and would block the
 * loop for seconds otherwise.
 */
export class Pacer {
  private readonly waiting = new Queue<() => void>();
  /** Counts what was run in this turn. */
  private count = 0;

  run(work: () => void): void {
    if (this.count >= WORKS_PER_TURN || this.waiting.size > 0) return this.waiting.add(work);
    if (this.count === 0) atEndOfTurn(this.onNextTurn);
    this.count += 1;
    work();
  }

  private readonly onNextTurn = (): void => {
    this.count = Math.min(this.waiting.size, WORKS_PER_TURN);
    if (this.count === 0) return;
    atEndOfTurn(this.onNextTurn);
    for (let left = this.count; left > 0; left--) this.waiting.take()?.();
  };
}
