import type { OperatorFunction } from 'rxjs';
import { checkedLater, type Validator, VALIDATOR } from '../src/model/validator.js';
import { checkArgument } from '../src/model/validate.js';
import { decodeBy, type Decodable, type Decoded } from './internal/decoded.js';

/**
 * Checks the text of each value with an io-ts codec or a Standard Schema, as {@link decodeJson} does for JSON. The
 * first invalid value ends the stream with an `InvalidValueError`.
 *
 * ```text
 * source:  --P(a=7)--P(a=8)--P(a=x)--
 *          decodeWith(NumberFromString)
 * result:  --7-------8-------#
 * ```
 *
 * ## Example
 *
 * ```ts
 * import * as t from 'io-ts';
 *
 * const Level = t.keyof({ debug: null, info: null, warn: null });
 *
 * etcd.watch('log/level').pipe(puts(), decodeWith(Level)).subscribe({
 *   next: ({ value }) => console.log(value),
 *   error: (error: Error) => console.log(error.message),
 * });
 *
 * // etcdctl put log/level debug
 * // etcdctl put log/level loud
 * // Logs:
 * // debug
 * // the value of "log/level" is not valid: expected "debug" | "info" | "warn", received string
 * ```
 *
 * @see {@link decodeJson}
 * @see {@link tryDecode}
 *
 * @param codec An io-ts codec or a Standard Schema, which checks and converts the text.
 * @return A function that returns an Observable of the decoded values with their keys and revisions.
 */
export function decodeWith<A>(codec: Validator<A, string>): OperatorFunction<Decodable, Decoded<A>> {
  checkArgument('decodeWith', 'codec', codec, VALIDATOR);
  return decodeBy((kv) => checkedLater(kv, codec, kv.value));
}
