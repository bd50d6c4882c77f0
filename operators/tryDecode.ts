import type { Either } from 'fp-ts/lib/Either.js';
import type { OperatorFunction } from 'rxjs';
import { jsonLater, type Validator, VALIDATOR } from '../src/model/validator.js';
import type { InvalidValueError } from '../src/errors/index.js';
import { checkArgument } from '../src/model/validate.js';
import { tryDecodeBy, type Decodable, type Decoded } from './internal/decoded.js';

/**
 * Reads each value as JSON and checks it with an io-ts codec or a Standard Schema, as {@link decodeJson} does, but
 * emits an `Either`. The `Either` is `right` of the decoded value, or `left` of an `InvalidValueError`. An invalid
 * value never ends the stream.
 *
 * ```text
 * source:  --P(a={"n":1})--P(a=oops)------P(a={"n":2})--|
 *          tryDecode(t.type({ n: t.number }))
 * result:  --right(n: 1)---left(invalid)--right(n: 2)---|
 * ```
 *
 * ## Example
 *
 * Report a bad value and keep the last good one
 *
 * ```ts
 * import * as E from 'fp-ts/lib/Either.js';
 * import * as t from 'io-ts';
 *
 * etcd.watch('limit').pipe(puts(), tryDecode(t.number)).subscribe(
 *   E.match(
 *     (error) => console.log(error.message),
 *     ({ value }) => console.log('the limit is', value),
 *   ),
 * );
 *
 * // etcdctl put limit 10
 * // etcdctl put limit ten
 * // etcdctl put limit 20
 * // Logs:
 * // the limit is 10
 * // the value of "limit" is not valid: it is not JSON
 * // the limit is 20
 * ```
 *
 * @see {@link decodeJson}
 *
 * @param codec An io-ts codec or a Standard Schema, which checks and converts a value.
 * @return A function that returns an Observable of the results.
 */
export function tryDecode<A>(codec: Validator<A>): OperatorFunction<Decodable, Either<InvalidValueError, Decoded<A>>> {
  checkArgument('tryDecode', 'codec', codec, VALIDATOR);
  return tryDecodeBy((kv) => jsonLater(kv, codec));
}
