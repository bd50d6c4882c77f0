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

  readonly #copy: (entry: E) => E;

  /** @param copy makes an entry independent of its owner, who may reuse it for the next */
  constructor(entries: Iterable<E> | AsyncIterable<E>, bulk: BulkPut<E>, copy: (entry: E) => E) {
    this.#copy = copy;
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

  /** The entries that are ready are taken in one go, so that the first txns are full. */
  async #pull(): Promise<void> {
    this.#busy = true;
    try {
      while (!this.#over && this.#wantsMore()) {
        const next = this.#iterator.next();
        if (isPromise(next)) this.#bulk.send();
        const result = isPromise(next) ? await next : next;
        if (result.done === true) return this.#end('completed');
        this.#bulk.add(this.#copy(result.value));
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

  /**
   * Entries that are ready at once are taken for the next txn only, as entries that wait long cost more to collect.
   * Entries that may keep us waiting are taken for all txns that may follow.
   */
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
      // No subscriber is left to receive it.
    }
  }
}

function isPromise<T extends object>(next: T | PromiseLike<T>): next is PromiseLike<T> {
  return 'then' in next;
}
