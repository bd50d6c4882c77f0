import { isObservable, type Observable } from 'rxjs';
import { checkArgument, checkOptions, oneOf, WHOLE } from '../src/model/validate.js';
import { BufferedIterator, type OverflowPolicy } from './internal/bufferedIterator.js';
import { OBSERVABLE } from './internal/validators.js';

export interface ToAsyncIterableOptions {
  /** How many values may wait for the consumer. Default 1 024. */
  readonly bufferSize?: number;
  /**
   * The policy for a value that finds the buffer full. Default `'error'`: the values that wait are still delivered,
   * then a `BufferOverflow` error. `'dropOldest'` makes room by forgetting the value that has waited longest,
   * `'dropNewest'` forgets the new one: both lose values, in silence.
   */
  readonly overflow?: OverflowPolicy;
}

const POLICIES = ['error', 'dropOldest', 'dropNewest'] satisfies readonly OverflowPolicy[];

/**
 * Converts an Observable to an async iterable for `for await`. An Observable does not wait for its consumer, so values
 * wait in a bounded buffer. `overflow` decides about further values.
 *
 * ```text
 * source:    --a--b--c---------|
 *            toAsyncIterable(source, { bufferSize: 1, overflow: 'dropOldest' })
 * consumer:  --a........c......done     (busy with a when b and c come)
 * ```
 *
 * The source is subscribed to when the first value is requested, once an iteration. It is unsubscribed when the loop
 * ends by `break`, `return` or a throw. An error of the source is thrown after the values before it.
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
 * @param options The size of the buffer, and what happens when it is full.
 * @return An async iterable; each iteration of it is a separate subscription.
 */
export function toAsyncIterable<T>(source: Observable<T>, options?: ToAsyncIterableOptions): AsyncIterable<T>;
export function toAsyncIterable(options?: ToAsyncIterableOptions): <T>(source: Observable<T>) => AsyncIterable<T>;
export function toAsyncIterable<T>(
  first: Observable<T> | ToAsyncIterableOptions = {},
  second?: ToAsyncIterableOptions,
): AsyncIterable<T> | ((source: Observable<T>) => AsyncIterable<T>) {
  // An argument before the options was meant to be the source.
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
