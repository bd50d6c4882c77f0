import type { BulkPut, End, Supply } from './bulkWriter.js';
import type { PutEntry } from './putEntry.js';

/** Takes entries out of an iterable, as there is room for them. */
export class Pulled<E extends PutEntry> implements Supply {
  readonly #bulk: BulkPut<E>;
  readonly #iterator: Iterator<E> | AsyncIterator<E>;
  /** It may keep us waiting. */
  readonly #slow: boolean;
  /** It is being asked. */
  #busy = false;
  #over = false;

  constructor(entries: Iterable<E> | AsyncIterable<E>, bulk: BulkPut<E>) {
    this.#bulk = bulk;
    this.#slow = Symbol.asyncIterator in entries;
    this.#iterator = Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]();
  }

  more(): void {
    if (!this.#busy) void this.#pull();
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    void this.#leave();
  }

  /** What does not keep us waiting is taken in one go, so that the first txns are full. */
  async #pull(): Promise<void> {
    this.#busy = true;
    try {
      while (!this.#over && this.#wantsMore()) {
        const next = this.#iterator.next();
        if (isPromise(next)) this.#bulk.send();
        const result = isPromise(next) ? await next : next;
        if (result.done === true) return this.#end('completed');
        this.#bulk.add(result.value);
      }
    } catch (error) {
      this.#end({ error });
    } finally {
      this.#busy = false;
    }
  }

  #wantsMore(): boolean {
    if (this.#hasRoom) return true;
    this.#bulk.send();
    return this.#hasRoom;
  }

  /** What can be had at once is taken for the next txn, as what waits long costs more to collect; what may keep us waiting, for all that may follow. */
  get #hasRoom(): boolean {
    return this.#bulk.hasRoom && (this.#slow || !this.#bulk.hasTxn);
  }

  #end(end: End): void {
    this.#over = true;
    this.#bulk.end(end);
  }

  async #leave(): Promise<void> {
    try {
      await this.#iterator.return?.();
    } catch {
      // Nobody is left to hear of it.
    }
  }
}

function isPromise<T extends object>(next: T | PromiseLike<T>): next is PromiseLike<T> {
  return 'then' in next;
}
