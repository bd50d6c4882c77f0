import type { Either } from 'fp-ts/lib/Either.js';
import { map, pipe, type OperatorFunction } from 'rxjs';
import type { InvalidValueError } from '../../src/errors/index.js';
import type { PutEvent } from '../../src/model/events.js';
import type { KeyValue } from '../../src/model/keyValue.js';
import { isLeft, mapRight } from '../../src/util/either.js';
import { mapInOrder } from '../../src/util/rx.js';

/** A stored value that a codec has accepted. */
export interface Decoded<A> {
  readonly key: string;
  readonly value: A;
  /** The revision of the key's last change, `modRevision`. */
  readonly revision: number;
  /** The key-value that was decoded. */
  readonly kv: KeyValue;
}

/** A key with its value, from a read or from a watch. */
export type Decodable = KeyValue | PutEvent;

const kvOf = (item: Decodable): KeyValue => ('kv' in item ? item.kv : item);

/** The result of reading a value, or a Promise of the result if the schema checks asynchronously. */
type Read<A> = Either<InvalidValueError, A> | PromiseLike<Either<InvalidValueError, A>>;

/** Decodes values in their order. Each result is a decoded value, or the error of an invalid one. */
export function tryDecodeBy<A>(read: (kv: KeyValue) => Read<A>): OperatorFunction<Decodable, Either<InvalidValueError, Decoded<A>>> {
  return mapInOrder((item) => {
    const kv = kvOf(item);
    const withKey = (result: Either<InvalidValueError, A>) =>
      mapRight(result, (value): Decoded<A> => ({ key: kv.key, value, revision: kv.modRevision, kv }));
    const result = read(kv);
    return 'then' in result ? result.then(withKey) : withKey(result);
  });
}

/** Decodes values in their order. The first invalid one is an error. */
export function decodeBy<A>(read: (kv: KeyValue) => Read<A>): OperatorFunction<Decodable, Decoded<A>> {
  return pipe(
    tryDecodeBy(read),
    map((result) => {
      if (isLeft(result)) throw result.left;
      return result.right;
    }),
  );
}
