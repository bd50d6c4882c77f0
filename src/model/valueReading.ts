import type { Either } from 'fp-ts/lib/Either.js';
import { InvalidValueError } from '../errors/index.js';
import { isRight, left, right } from '../util/either.js';
import type { Checked, Validator } from './standardSchema.js';
import { jsonIn, validatedLater } from './validate.js';

// Apart from the class of key-values, which an operator that only reads them does not bring into a page.

/** The parts of a key-value that are read. */
interface Stored {
  readonly key: string;
  readonly value: string;
}

/** Parses a value as JSON. */
export function parsedValue({ key, value }: Stored): Either<InvalidValueError, unknown> {
  const parsed = jsonIn(value);
  // Without the engine's message, which quotes the text: a value may be a secret.
  return parsed === undefined ? left(new InvalidValueError(key, ['it is not JSON'])) : right(parsed);
}

/** Reads a value as `KeyValue.json` does. A schema that checks asynchronously returns a Promise of the result. */
export function jsonLater<A>(kv: Stored, codec: Validator<A>): Either<InvalidValueError, A> | PromiseLike<Either<InvalidValueError, A>> {
  const parsed = parsedValue(kv);
  return isRight(parsed) ? checkedLater(kv, codec, parsed.right) : parsed;
}

/** Checks what was read of a value. A schema that checks asynchronously returns a Promise of the result. */
export function checkedLater<A, I>(
  { key }: Pick<Stored, 'key'>,
  codec: Validator<A, I>,
  value: I,
): Either<InvalidValueError, A> | PromiseLike<Either<InvalidValueError, A>> {
  const toError = (read: Checked<A>): Either<InvalidValueError, A> => (isRight(read) ? read : left(new InvalidValueError(key, read.left)));
  const read = validatedLater(codec, value);
  return 'then' in read ? read.then(toError) : toError(read);
}
