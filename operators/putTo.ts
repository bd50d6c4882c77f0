import { concatMap, type OperatorFunction } from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { isBytesLike, type BytesLike } from '../src/model/bytes.js';
import { BOOLEAN, checkArgument, checkOptions, FUNCTION, LEASE } from '../src/model/validate.js';
import { typeName } from '../src/model/failures.js';
import type { PutOptions } from '../src/model/op.js';
import type { PutResponse } from '../src/model/responses.js';
import { invalid } from './internal/invalid.js';
import { KEY_OR_FUNCTION, PUT_TARGET } from './internal/validators.js';
import type { PutTarget } from './internal/putTarget.js';

/** How values are written; `lease` and `prevKv` as with `etcd.kv.put`. */
export interface PutToConfig<T> extends Pick<PutOptions, 'lease' | 'prevKv'> {
  /** What is written for a value. Default: a string or a `Uint8Array` as it is, everything else as JSON. */
  readonly encode?: (value: T) => BytesLike;
}

/**
 * Writes each value to a key, one after the other, and emits the server's answers.
 *
 * ```text
 * source:  --a--b-------|
 *          putTo(kv, 'key')
 * result:  -----{a}--{b}|
 * ```
 *
 * Strings and bytes are written as they are, all else as JSON; so a string that {@link decodeJson} is to read wants `encode: JSON.stringify`. A value that has no
 * JSON (undefined, a function, what refers to itself) ends the stream with `InvalidArgument`.
 *
 * Each is sent at most once. `AmbiguousWrite` ends the stream where nobody knows whether one was carried out. A source that is quicker than the server is kept
 * waiting in memory: where only the newest value counts, put `throttleTime` or `auditTime` before; where all do, {@link putAll} is many times as quick.
 *
 * ## Example
 *
 * ```ts
 * settings$.pipe(putTo(etcd.kv, ({ name }: { readonly name: string }) => `settings/${name}`)).subscribe(({ header }) => {
 *   console.log('written at', header.revision);
 * });
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
 * @param kv What to write to: `etcd.kv`.
 * @param key The key to write to, or a function that gives it for a value.
 * @param config What to write for a value, and the lease that it hangs on.
 * @return A function that returns an Observable of the answers.
 */
export function putTo<T>(
  kv: PutTarget,
  key: BytesLike | ((value: T, index: number) => BytesLike),
  config: PutToConfig<T> = {},
): OperatorFunction<T, PutResponse> {
  checkArgument('putTo', 'kv', kv, PUT_TARGET);
  checkArgument('putTo', 'key', key, KEY_OR_FUNCTION);
  const { encode = plainOrJson, ...options } = checkOptions('putTo', config, { encode: FUNCTION, lease: LEASE, prevKv: BOOLEAN });
  const keyOf = typeof key === 'function' ? key : () => key;
  return concatMap((value, index) => kv.put(keyOf(value, index), encode(value), options));
}

function plainOrJson(value: unknown): BytesLike {
  // Text that cannot be sent is refused by the put: it must not become JSON.
  if (typeof value === 'string' || isBytesLike(value)) return value;
  let json: unknown;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw new EtcdError('InvalidArgument', 'putTo: a value cannot be written as JSON; say how with encode', { cause });
  }
  if (typeof json === 'string') return json;
  throw invalid('putTo', `${typeName(value)} has no JSON; say what to write with encode`);
}
