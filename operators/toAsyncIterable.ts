import { isObservable, type Observable } from 'rxjs';
import { checkArgument, checkOptions, oneOf, WHOLE } from '../src/model/validate.js';
import { BufferedIterator, type OverflowPolicy } from './internal/bufferedIterator.js';
import { OBSERVABLE } from './internal/validators.js';

export interface ToAsyncIterableConfig {
  /** How many values may wait for the consumer. Default 1 024. */
  readonly bufferSize?: number;
  /**
   * What happens to a value that finds the buffer full. Default `'error'`: what waits is still delivered, then a `BufferOverflow` error.
   * `'dropOldest'` makes room by forgetting the value that has waited longest, `'dropNewest'` forgets the new one: both lose values, in
   * silence.
   */
  readonly overflow?: OverflowPolicy;
}

const POLICIES = ['error', 'dropOldest', 'dropNewest'] satisfies readonly OverflowPolicy[];

/**
 * Makes an Observable something that `for await` can walk. An Observable does not wait for its consumer, so what comes in the meantime
 * waits in a buffer with a limit, and you say what happens at the limit.
 *
 * ```text
 * source:    --a--b--c---------|
 *            toAsyncIterable(source, { bufferSize: 1, overflow: 'dropOldest' })
 * consumer:  --a........c......done     (busy with a when b and c come)
 * ```
 *
 * The source is subscribed to when the first value is asked for, once an iteration, and unsubscribed from when the loop is left: by
 * `break`, `return` or a throw. An error of the source is thrown after the values that came before it.
 *
 * As `firstValueFrom` it takes the source, for `Observable.pipe` gives nothing but Observables. Without a source it returns a function of
 * one, for the `pipe` functions of RxJS and fp-ts: `pipe(source, toAsyncIterable({ bufferSize: 100 }))`.
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
 * @param source What to iterate over.
 * @param config The size of the buffer, and what happens when it is full.
 * @return An async iterable; each iteration of it is a subscription of its own.
 */
export function toAsyncIterable<T>(source: Observable<T>, config?: ToAsyncIterableConfig): AsyncIterable<T>;
export function toAsyncIterable(config?: ToAsyncIterableConfig): <T>(source: Observable<T>) => AsyncIterable<T>;
export function toAsyncIterable<T>(
  first: Observable<T> | ToAsyncIterableConfig = {},
  second?: ToAsyncIterableConfig,
): AsyncIterable<T> | ((source: Observable<T>) => AsyncIterable<T>) {
  // What options follow was to be the source.
  if (second !== undefined) checkArgument('toAsyncIterable', 'source', first, OBSERVABLE);
  if (isObservable(first)) return iterable(first, checked(second));
  const config = checked(first);
  return (source) => iterable(source, config);
}

function iterable<T>(source: Observable<T>, { bufferSize, overflow }: Required<ToAsyncIterableConfig>): AsyncIterable<T> {
  checkArgument('toAsyncIterable', 'source', source, OBSERVABLE);
  return { [Symbol.asyncIterator]: () => new BufferedIterator(source, bufferSize, overflow) };
}

function checked(config: ToAsyncIterableConfig = {}): Required<ToAsyncIterableConfig> {
  const { bufferSize = 1024, overflow = 'error' } = checkOptions('toAsyncIterable', config, {
    bufferSize: WHOLE,
    overflow: oneOf(...POLICIES),
  });
  return { bufferSize, overflow };
}
