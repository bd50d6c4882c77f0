import { isObservable, type Observable } from 'rxjs';
import { checkArgument, checkOptions, oneOf, WHOLE } from '../src/model/validate.js';
import { BufferedIterator, type OverflowPolicy } from './internal/bufferedIterator.js';
import { OBSERVABLE } from './internal/validators.js';

export interface ToAsyncIterableOptions {
  /** The maximum number of values that may wait for the consumer. Default 1 024. */
  readonly bufferSize?: number;
  /**
   * The policy for a value that arrives while the buffer is full. Default `'error'`: the iteration still delivers the
   * buffered values, and then throws a `BufferOverflow` error. `'dropOldest'` drops the value that has waited longest,
   * and `'dropNewest'` drops the new value. The policies `'dropOldest'` and `'dropNewest'` lose values without an
   * error.
   */
  readonly overflow?: OverflowPolicy;
}

const POLICIES = ['error', 'dropOldest', 'dropNewest'] satisfies readonly OverflowPolicy[];

/**
 * Converts an Observable to an async iterable for `for await`. An Observable does not wait for its consumer, so values
 * wait in a bounded buffer. The option `overflow` is the policy for values that arrive while the buffer is full.
 *
 * ```text
 * source:    --a--b--c---------|
 *            toAsyncIterable(source, { bufferSize: 1, overflow: 'dropOldest' })
 * consumer:  --a........c......done     (busy with a when b and c arrive)
 * ```
 *
 * Each iteration subscribes to the source once, when its first value is requested. The iteration unsubscribes when the
 * loop ends by `break`, `return` or a throw. An error of the source is thrown after the values before it.
 *
 * It takes the source as an argument, as `firstValueFrom` does, because `Observable.pipe` returns only Observables.
 * Without a source it returns a function for the `pipe` of RxJS and fp-ts:
 * `pipe(source, toAsyncIterable({ bufferSize: 100 }))`.
 *
 * ## Example
 *
 * ```ts
 * const changes = toAsyncIterable(etcd.watch({ prefix: 'app/' }), { bufferSize: 100 });
 *
 * for await (const { kv } of changes) {
 *   console.log(kv.key, kv.value);
 *   if (kv.value === 'blue') break; // unsubscribes
 * }
 *
 * // etcdctl put app/color red
 * // etcdctl put app/color blue
 * // Logs:
 * // app/color red
 * // app/color blue
 * ```
 *
 * @see {@link takeUntilAborted}
 *
 * @param source The Observable to iterate over.
 * @param options The size of the buffer, and the policy for a full one.
 * @return An async iterable; each iteration of it is a separate subscription.
 */
export function toAsyncIterable<T>(source: Observable<T>, options?: ToAsyncIterableOptions): AsyncIterable<T>;
export function toAsyncIterable(options?: ToAsyncIterableOptions): <T>(source: Observable<T>) => AsyncIterable<T>;
export function toAsyncIterable<T>(
  first: Observable<T> | ToAsyncIterableOptions = {},
  second?: ToAsyncIterableOptions,
): AsyncIterable<T> | ((source: Observable<T>) => AsyncIterable<T>) {
  // If there is a second argument, the first one must be the source.
  if (second !== undefined) checkArgument('toAsyncIterable', 'source', first, OBSERVABLE);
  if (isObservable(first)) return iterable(first, checked(second));
  const options = checked(first);
  return (source) => iterable(source, options);
}

function iterable<T>(source: Observable<T>, { bufferSize, overflow }: Required<ToAsyncIterableOptions>): AsyncIterable<T> {
  checkArgument('toAsyncIterable', 'source', source, OBSERVABLE);
  return { [Symbol.asyncIterator]: () => new BufferedIterator(source, bufferSize, overflow) };
}

function checked(options: ToAsyncIterableOptions = {}): Required<ToAsyncIterableOptions> {
  const { bufferSize = 1024, overflow = 'error' } = checkOptions('toAsyncIterable', options, {
    bufferSize: WHOLE,
    overflow: oneOf(...POLICIES),
  });
  return { bufferSize, overflow };
}
