import type { Either } from 'fp-ts/lib/Either.js';
import type { Decoder, Errors } from 'io-ts';
import { EtcdError, InvalidValueError } from '../errors/index.js';
import { isRight, left, right } from '../util/either.js';
import { jsonIn, type OptionKind, tooDeep, typeName } from './validate.js';

/**
 * A schema of zod, valibot, ArkType or another library, as the Standard Schema specification describes it. It may check
 * asynchronously if it is passed to an operator or method that returns an Observable.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<A> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<A> | PromiseLike<SchemaResult<A>>;
    readonly types?: { readonly input: unknown; readonly output: A } | undefined;
  };
}

/** The value that a schema returns, or the reasons why it rejects one. */
export type SchemaResult<A> = { readonly value: A; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/** A reason why a schema rejects a value, with its place in the value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Checks and converts a value: an io-ts codec, or a schema of zod, valibot and others. */
export type Validator<A, I = unknown> = Decoder<I, A> | StandardSchema<A>;

/** Returns whether a value is a Standard Schema. It may be a function, as ArkType's schemas are. */
function isStandardSchema(value: unknown): value is StandardSchema<never> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard: unknown = Reflect.get(value, '~standard');
  return typeof standard === 'object' && standard !== null && typeof Reflect.get(standard, 'validate') === 'function';
}

/** Returns whether a validator is a schema, and not a codec. */
export const isSchema = <A>(validator: Validator<A, never>): validator is StandardSchema<A> => isStandardSchema(validator);

/** An io-ts codec, or any object with `decode`. */
const CODEC: OptionKind = {
  what: 'an io-ts codec',
  is: (value) => typeof value === 'object' && value !== null && typeof Reflect.get(value, 'decode') === 'function',
};

/** A codec, or a schema of the Standard Schema specification. */
export const VALIDATOR: OptionKind = {
  what: 'an io-ts codec or a Standard Schema',
  is: (value) => CODEC.is(value) || isStandardSchema(value),
};

/** The result of a check: the value, or the reasons why the input was rejected, each as one line. */
export type Checked<A> = Either<readonly string[], A>;

/** The place of a value that a validator rejects, and the reason. */
export interface PlacedFailure {
  readonly path: readonly string[];
  readonly problem: string;
}

/**
 * Checks a value with a schema. Returns the value, or the reasons for rejecting it with their paths. If the schema
 * checks asynchronously, returns a Promise of the result.
 */
function checkedBySchema<A>(schema: StandardSchema<A>, value: unknown): Checked<A> | PromiseLike<Checked<A>> {
  const result = schema['~standard'].validate(value);
  const read = (settled: SchemaResult<A>): Checked<A> => {
    const placed = placedResult(settled, value);
    return isRight(placed)
      ? placed
      : left(placed.left.map(({ path, problem }) => (path.length === 0 ? problem : `${path.join('.')}: ${problem}`)));
  };
  return 'then' in result ? result.then(read) : read(result);
}

/**
 * Checks a value with a schema. Returns the value, or each reason for rejecting it with its path.
 *
 * @throws EtcdError `InvalidArgument` if the schema checks asynchronously
 */
export function placedBySchema<A>(schema: StandardSchema<A>, value: unknown): Either<readonly PlacedFailure[], A> {
  return placedResult(settledNow(schema['~standard'].validate(value)), value);
}

/**
 * Returns the result of a schema that checks synchronously.
 *
 * @throws EtcdError `InvalidArgument` if the result is a Promise
 */
export function settledNow<T extends object>(result: T | PromiseLike<T>): T {
  if (!('then' in result)) return result;
  // The Promise is not used. Its rejection is ignored, as an unhandled rejection would end the process.
  result.then(undefined, () => undefined);
  throw new EtcdError(
    'InvalidArgument',
    'schema: expected a synchronous schema, received a schema that returns a Promise; decodeJson, tryDecode, liveValue and combineLive accept it',
  );
}

function placedResult<A>(result: SchemaResult<A>, value: unknown): Either<readonly PlacedFailure[], A> {
  return result.issues === undefined ? right(result.value) : left(result.issues.map((issue) => failureOf(issue, value)));
}

function failureOf({ message, path = [] }: SchemaIssue, value: unknown): PlacedFailure {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
  const at = keys.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
  // The messages of some libraries quote the value, which may be a secret.
  const problem = quotes(message, at) ? `expected another value, received ${typeName(at)}` : message;
  return { path: keys.map(String), problem };
}

const quotes = (message: string, value: unknown): boolean =>
  (typeof value === 'string' || typeof value === 'number') && value !== '' && message.includes(String(value));

/**
 * Describes io-ts's validation errors. Each line has a path and the expected type. Only the type of an invalid value is
 * shown, as the value may be a secret.
 */
export function failuresOf(errors: Errors): string[] {
  return errors.map(({ context, message, value }) => {
    const path = context
      .map(({ key }) => key)
      .filter((key) => key !== '')
      .join('.');
    const wanted = message ?? `expected ${context[context.length - 1]?.type.name ?? 'another type'}, received ${typeName(value)}`;
    return path === '' ? wanted : `${path}: ${wanted}`;
  });
}

/**
 * Decodes a value, or returns the reasons for rejecting it, each as one line.
 *
 * @throws EtcdError `InvalidArgument` if the codec checks asynchronously
 */
export const validated = <I, A>(codec: Validator<A, I>, value: I): Checked<A> => settledNow(validatedLater(codec, value));

/** Decodes a value as {@link validated} does. If the schema checks asynchronously, returns a Promise of the result. */
export function validatedLater<I, A>(codec: Validator<A, I>, value: I): Checked<A> | PromiseLike<Checked<A>> {
  try {
    if (isSchema(codec)) return checkedBySchema(codec, value);
    const decoded = codec.decode(value);
    return isRight(decoded) ? decoded : left(failuresOf(decoded.left));
  } catch (error) {
    return left([tooDeep(error)]);
  }
}

/** The parts of a key-value that are needed to decode its value. */
interface Stored {
  readonly key: string;
  readonly value: string;
}

/** Parses a value as JSON. */
export function parsedValue({ key, value }: Stored): Either<InvalidValueError, unknown> {
  const parsed = jsonIn(value);
  // The engine's message is omitted, as it quotes the text, which may be a secret.
  return parsed === undefined ? left(new InvalidValueError(key, ['it is not JSON'])) : right(parsed);
}

/** Reads a value as `KeyValue.json` does. If the schema checks asynchronously, returns a Promise of the result. */
export function jsonLater<A>(kv: Stored, codec: Validator<A>): Either<InvalidValueError, A> | PromiseLike<Either<InvalidValueError, A>> {
  const parsed = parsedValue(kv);
  return isRight(parsed) ? checkedLater(kv, codec, parsed.right) : parsed;
}

/** Checks a value that was parsed as JSON. If the schema checks asynchronously, returns a Promise of the result. */
export function checkedLater<A, I>(
  { key }: Pick<Stored, 'key'>,
  codec: Validator<A, I>,
  value: I,
): Either<InvalidValueError, A> | PromiseLike<Either<InvalidValueError, A>> {
  const toError = (read: Checked<A>): Either<InvalidValueError, A> => (isRight(read) ? read : left(new InvalidValueError(key, read.left)));
  const read = validatedLater(codec, value);
  return 'then' in read ? read.then(toError) : toError(read);
}
