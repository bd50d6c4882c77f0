import type { OperatorFunction } from 'rxjs';
import { jsonLater, type Validator, VALIDATOR } from '../src/model/validator.js';
import { checkArgument } from '../src/model/validate.js';
import { decodeBy, type Decodable, type Decoded } from './internal/decoded.js';

/**
 * Reads each value as JSON and checks it with an io-ts codec or a Standard Schema (zod, valibot and others). The first
 * invalid value ends the stream with an `InvalidValueError`, which names the key and the invalid fields, never the
 * value.
 *
 * ```text
 * source:  --P(a={"n":1})--P(a={"n":2})--P(a=oops)--
 *          decodeJson(t.type({ n: t.number }))
 * result:  --{ n: 1 }------{ n: 2 }------#
 * ```
 *
 * A schema may check asynchronously: the values stay in order, and each waits for the values before it.
 *
 * Use {@link tryDecode} if an invalid value should not end the stream. A shared watch continues for its other
 * subscribers in both cases.
 *
 * ## Example
 *
 * ```ts
 * import * as t from 'io-ts';
 *
 * const Flag = t.type({ on: t.boolean });
 *
 * etcd.watch({ prefix: 'flags/' }).pipe(puts(), decodeJson(Flag)).subscribe({
 *   next: ({ key, value, revision }) => console.log(key, value.on, revision),
 *   error: (error: Error) => console.log(error.message),
 * });
 *
 * // etcdctl put flags/beta '{"on":true}'
 * // etcdctl put flags/beta '{"on":"yes"}'
 * // Logs:
 * // flags/beta true 2
 * // the value of "flags/beta" is not valid: on: expected boolean, received string
 * ```
 *
 * @see {@link tryDecode}
 * @see {@link decodeWith}
 *
 * @param codec An io-ts codec or a Standard Schema, which checks and converts a value.
 * @return A function that returns an Observable of the decoded values with their keys and revisions.
 */
export function decodeJson<A>(codec: Validator<A>): OperatorFunction<Decodable, Decoded<A>> {
  checkArgument('decodeJson', 'codec', codec, VALIDATOR);
  return decodeBy((kv) => jsonLater(kv, codec));
}
