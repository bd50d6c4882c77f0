import type { BulkWriter, Completion, EntrySource } from './bulkWriter.js';
import type { PutEntry } from './putEntry.js';

/** Takes entries from an iterable while there is room for them. */
export class IterableSource<E extends PutEntry> implements EntrySource {
  readonly #bulk: BulkWriter<E>;
  readonly #iterator: Iterator<E> | AsyncIterator<E>;
  /** Whether the iterable is asynchronous, and may therefore be slow. */
  readonly #slow: boolean;
  /** Whether the iterator is computing the next entry. */
  #busy = false;
  #over = false;

  readonly #copy: (entry: E) => E;

  /** @param copy copies an entry, as its owner may use the object for the next entry */
  constructor(entries: Iterable<E> | AsyncIterable<E>, bulk: BulkWriter<E>, copy: (entry: E) => E) {
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

  /** Takes all entries that are ready, and sends them afterwards, so that the first txns are full. */
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
   * Whether another entry should be taken. A synchronous iterable is read only as far as the next txn needs. If more
   * entries waited in memory, garbage collections would take longer. An asynchronous iterable may be slow, so it fills
   * as many txns as `concurrency` permits.
   */
  get #hasRoom(): boolean {
    return this.#bulk.hasRoom && (this.#slow || !this.#bulk.hasTxn);
  }

  #end(end: Completion): void {
    this.#over = true;
    this.#bulk.end(end);
  }

  async #leave(): Promise<void> {
    try {
      await this.#iterator.return?.();
    } catch {
      // The error of the iterator is ignored, as there is no subscriber any more that could receive it.
    }
  }
}

function isPromise<T extends object>(next: T | PromiseLike<T>): next is PromiseLike<T> {
  return 'then' in next;
}
