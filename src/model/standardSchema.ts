import type { Either } from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { EtcdError } from '../errors/index.js';
import { isRight, left, right } from '../util/either.js';

/**
 * The part of the Standard Schema specification that is used here: a schema of zod, valibot, ArkType and others. It may
 * check asynchronously wherever the values are emitted by an Observable.
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

/** A reason why a schema rejects a value, and where in the value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Checks and converts a value: an io-ts codec, or a schema of zod, valibot and others. */
export type Validator<A, I = unknown> = Decoder<I, A> | StandardSchema<A>;

/** Tells whether a value is a Standard Schema. Those of ArkType are functions. */
export function isStandardSchema(value: unknown): value is StandardSchema<never> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard: unknown = Reflect.get(value, '~standard');
  return typeof standard === 'object' && standard !== null && typeof Reflect.get(standard, 'validate') === 'function';
}

/** The reasons for rejecting a value, a line each, or the value. */
export type Checked<A> = Either<readonly string[], A>;

/** The place of a value that a validator rejects, and the reason. */
export interface PlacedFailure {
  readonly path: readonly string[];
  readonly problem: string;
}

type NameType = (value: unknown) => string;

/**
 * Checks a value with a schema. Returns the reasons for rejecting it, with the path. A schema that checks
 * asynchronously returns a Promise of it.
 *
 * @param typeName names the type of a value, for messages that must not show it
 */
export function checkedBySchema<A>(schema: StandardSchema<A>, value: unknown, typeName: NameType): Checked<A> | PromiseLike<Checked<A>> {
  const result = schema['~standard'].validate(value);
  const read = (settled: SchemaResult<A>): Checked<A> => {
    const placed = placedResult(settled, value, typeName);
    return isRight(placed)
      ? placed
      : left(placed.left.map(({ path, problem }) => (path.length === 0 ? problem : `${path.join('.')}: ${problem}`)));
  };
  return 'then' in result ? result.then(read) : read(result);
}

/**
 * Checks a value with a schema. Returns each reason for rejecting it with its path.
 *
 * @throws EtcdError `InvalidArgument` if the schema checks asynchronously
 */
export function placedBySchema<A>(schema: StandardSchema<A>, value: unknown, typeName: NameType): Either<readonly PlacedFailure[], A> {
  return placedResult(settledNow(schema['~standard'].validate(value)), value, typeName);
}

/**
 * Returns a result that a schema has at once.
 *
 * @throws EtcdError `InvalidArgument` for a Promise
 */
export function settledNow<T extends object>(result: T | PromiseLike<T>): T {
  if (!('then' in result)) return result;
  // It has no other subscriber. Its failure must not end the process.
  result.then(undefined, () => undefined);
  throw new EtcdError(
    'InvalidArgument',
    'schema: expected one that checks synchronously, received one with a Promise; decodeJson, tryDecode, liveValue and combineLive wait for it',
  );
}

function placedResult<A>(result: SchemaResult<A>, value: unknown, typeName: NameType): Either<readonly PlacedFailure[], A> {
  return result.issues === undefined ? right(result.value) : left(result.issues.map((issue) => failureOf(issue, value, typeName)));
}

function failureOf({ message, path = [] }: SchemaIssue, value: unknown, typeName: NameType): PlacedFailure {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
  const at = keys.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
  // Some libraries quote the value, which may be a secret.
  const problem = quotes(message, at) ? `expected another value, received ${typeName(at)}` : message;
  return { path: keys.map(String), problem };
}

const quotes = (message: string, value: unknown): boolean =>
  (typeof value === 'string' || typeof value === 'number') && value !== '' && message.includes(String(value));

/** Tells which of the two a validator is. */
export const isSchema = <A>(validator: Validator<A, never>): validator is StandardSchema<A> => isStandardSchema(validator);
