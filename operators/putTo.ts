import type { OperatorFunction } from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { capturedBytes, isBytesLike, type BytesLike } from '../src/model/bytes.js';
import { BOOLEAN, checkArgument, checkOptions, FUNCTION, LEASE, typeName } from '../src/model/validate.js';
import type { PutOptions } from '../src/model/op.js';
import type { PutResponse } from '../src/model/responses.js';
import { concatRead } from './internal/concatRead.js';
import { KEY_OR_FUNCTION, PUT_TARGET } from './internal/validators.js';
import type { PutTarget } from './internal/putTarget.js';

/** The encoding of values, and the options `lease` and `prevKv` of `etcd.kv.put`. */
export interface PutToOptions<T> extends Pick<PutOptions, 'lease' | 'prevKv'> {
  /**
   * Returns the text or bytes to write for a value. By default, a string or a `Uint8Array` is written as it is, and any
   * other value as JSON.
   */
  readonly encode?: (value: T) => BytesLike;
}

/**
 * Writes each value to a key, one after the other, and emits the server's responses.
 *
 * ```text
 * source:  --a--b-------|
 *          putTo(kv, 'key')
 * result:  -----{a}--{b}|
 * ```
 *
 * Strings and bytes are written unchanged, other values as JSON. To read a string with {@link decodeJson}, pass
 * `encode: JSON.stringify`. If JSON cannot represent a value (undefined, a function, a circular structure), the stream
 * errors with `InvalidArgument`.
 *
 * Each write is sent at most once. If its outcome is unknown, the stream errors with `AmbiguousWrite`. If the source is
 * faster than the server, its values wait in memory. If only the newest value matters, put `throttleTime` or
 * `auditTime` before this operator. If all values matter, {@link putAll} is many times faster.
 *
 * ## Example
 *
 * ```ts
 * settings$.pipe(
 *   putTo(etcd.kv, ({ name }: { readonly name: string }) => `settings/${name}`),
 * ).subscribe(({ header }) => console.log('written at', header.revision));
 *
 * // settings$ emits { name: 'color', value: 'red' } and { name: 'size', value: 7 }
 * // Logs:
 * // written at 2
 * // written at 3
 * // etcdctl get --prefix settings/
 * // settings/color
 * // {"name":"color","value":"red"}
 * // settings/size
 * // {"name":"size","value":7}
 * ```
 *
 * @see {@link putAll}
 * @see {@link withLease}
 * @see {@link compareAndSet}
 *
 * @param kv The target of the writes: `etcd.kv`.
 * @param key The key to write to, or a function that returns it for a value.
 * @param options The encoding of values, and the options `lease` and `prevKv` of the put.
 * @return A function that returns an Observable of the responses.
 */
export function putTo<T>(
  kv: PutTarget,
  key: BytesLike | ((value: T, index: number) => BytesLike),
  options: PutToOptions<T> = {},
): OperatorFunction<T, PutResponse> {
  checkArgument('putTo', 'kv', kv, PUT_TARGET);
  checkArgument('putTo', 'key', key, KEY_OR_FUNCTION);
  const { encode = plainOrJson, ...putOptions } = checkOptions('putTo', options, { encode: FUNCTION, lease: LEASE, prevKv: BOOLEAN });
  const fixed = capturedBytes(key);
  const keyOf = typeof fixed === 'function' ? fixed : () => fixed;
  const read = (value: T, index: number) => ({ key: capturedBytes(keyOf(value, index)), value: capturedBytes(encode(value)) });
  return concatRead(read, ({ key: of, value }) => kv.put(of, value, putOptions));
}

function plainOrJson(value: unknown): BytesLike {
  // Text that cannot be sent is passed on unchanged, too. The put then rejects it.
  if (typeof value === 'string' || isBytesLike(value)) return value;
  let json: unknown;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw new EtcdError(
      'InvalidArgument',
      'value of putTo: expected a value that JSON can represent, received a circular or too deep value; set the option encode',
      { cause },
    );
  }
  if (typeof json === 'string') return json;
  throw new EtcdError(
    'InvalidArgument',
    `value of putTo: expected a value that JSON can represent, received ${typeName(value)}; set the option encode`,
  );
}
