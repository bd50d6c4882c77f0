import { Subject, takeUntil, type Observable } from 'rxjs';
import { EtcdError } from '../../src/errors/index.js';
import { Queue } from '../../src/util/queue.js';

/** The policy for a value that arrives while the buffer is full. */
export type OverflowPolicy = 'error' | 'dropOldest' | 'dropNewest';

interface Consumer<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * One iteration over an Observable. It is not an async generator, as a generator cannot return while one of its
 * `next()` calls waits. A `break` in a loop would then have no effect until the next value.
 */
export class BufferedIterator<T> implements AsyncIterator<T, undefined> {
  readonly #source: Observable<T>;
  readonly #bufferSize: number;
  readonly #overflow: OverflowPolicy;
  /** The values that wait for a `next()`. At least one of this queue and {@link #consumers} is always empty. */
  readonly #buffer = new Queue<IteratorYieldResult<T>>();
  /** The calls of `next()` that wait for a value. */
  readonly #consumers = new Queue<Consumer<T>>();
  /** Stops the source. This works even if the source emits synchronously, before its subscription is available. */
  readonly #stop = new Subject<void>();
  #state: 'idle' | 'running' | 'ended' = 'idle';
  /**
   * The error that the consumer receives after the buffered values. It is boxed, as an error can be any value, even
   * undefined.
   */
  #failure: { readonly error: unknown } | undefined;

  constructor(source: Observable<T>, bufferSize: number, overflow: OverflowPolicy) {
    this.#source = source;
    this.#bufferSize = bufferSize;
    this.#overflow = overflow;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const buffered = this.#buffer.take();
    if (buffered !== undefined) return Promise.resolve(buffered);
    if (this.#state === 'ended') return this.#lastWord();
    // The call of `next()` is queued before the source starts, so that a first value that is emitted synchronously
    // needs no place in the buffer.
    const result = new Promise<IteratorResult<T, undefined>>((resolve, reject) => this.#consumers.add({ resolve, reject }));
    if (this.#state === 'idle') this.#start();
    return result;
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#buffer.clear();
    this.#end();
    this.#failure = undefined;
    return Promise.resolve(DONE);
  }

  #start(): void {
    this.#state = 'running';
    this.#source.pipe(takeUntil(this.#stop)).subscribe({
      next: (value) => this.#push({ done: false, value }),
      error: (error: unknown) => this.#end({ error }),
      complete: () => this.#end(),
    });
  }

  #push(item: IteratorYieldResult<T>): void {
    const consumer = this.#consumers.take();
    if (consumer !== undefined) return consumer.resolve(item);
    if (this.#buffer.size < this.#bufferSize) return this.#buffer.add(item);
    if (this.#overflow === 'dropNewest') return;
    if (this.#overflow === 'error') {
      const message = `the consumer is slower than the source: ${this.#bufferSize} values wait, and another arrived`;
      return this.#end({ error: new EtcdError('BufferOverflow', message) });
    }
    this.#buffer.take();
    this.#buffer.add(item);
  }

  #end(failure?: { readonly error: unknown }): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#failure = failure;
    this.#stop.next();
    for (let consumer = this.#consumers.take(); consumer !== undefined; consumer = this.#consumers.take()) {
      this.#lastWord().then(consumer.resolve, consumer.reject);
    }
  }

  /** Returns the error if it was not returned yet; if it was, or there is none, returns the end of the iteration. */
  #lastWord(): Promise<IteratorResult<T, undefined>> {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure === undefined ? Promise.resolve(DONE) : Promise.reject(failure.error);
  }
}
