import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { isBytesLike } from './bytes.js';

/** The permitted values of an option. */
export interface OptionKind {
  /** Describes the values in messages, such as `true or false`. */
  readonly what: string;
  readonly is: (value: unknown) => boolean;
  readonly required?: true;
  /** Whether messages show an invalid number. They show no other invalid value, as it may be a secret. */
  readonly numeric?: true;
}

/** The permitted values of each option of a method. It is a record, so that TypeScript reports a missing option. */
export type OptionKinds<O> = Readonly<Record<keyof O, OptionKind>>;

export const BOOLEAN: OptionKind = { what: 'true or false', is: (value) => typeof value === 'boolean' };
export const STRING: OptionKind = { what: 'a string', is: (value) => typeof value === 'string' };
export const FUNCTION: OptionKind = { what: 'a function', is: (value) => typeof value === 'function' };
export const ARRAY: OptionKind = { what: 'an array', is: (value) => Array.isArray(value) };
export const BYTES: OptionKind = { what: 'a string or a Uint8Array', is: isBytesLike };
export const WHOLE = wholeNumber(1);
export const FROM_ZERO = wholeNumber(0);
export const MILLISECONDS: OptionKind = {
  what: 'a number of milliseconds above 0, or Infinity',
  is: (value) => typeof value === 'number' && value > 0,
  numeric: true,
};
export const LEASE: OptionKind = {
  what: 'the id of a lease, a decimal string',
  is: (value) => typeof value === 'string' && /^\d+$/.test(value),
};
/**
 * The longest delay of Node's timers: 24 days. A timer with a longer delay would fire at once, so a timeout above this
 * value means no limit.
 */
export const LONGEST_MS = 2 ** 31 - 1;

/** A delay that a timer supports, in milliseconds. */
export const TIMER_MS: OptionKind = {
  what: `a number of milliseconds above 0, and at most ${LONGEST_MS}`,
  is: (value) => typeof value === 'number' && value > 0 && value <= LONGEST_MS,
  numeric: true,
};

/** An `AbortSignal`. It may belong to another realm. */
export const SIGNAL: OptionKind = {
  what: 'an AbortSignal',
  is: (value) =>
    typeof value === 'object' && value !== null && 'aborted' in value && typeof Reflect.get(value, 'addEventListener') === 'function',
};

/** A value that is checked elsewhere. */
export const ANYTHING: OptionKind = { what: 'anything', is: () => true };

export function oneOf(...values: readonly unknown[]): OptionKind {
  return { what: values.length > 1 ? `one of ${values.join(', ')}` : String(values[0]), is: (value) => values.includes(value) };
}

export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): OptionKind {
  return {
    what: `a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}`,
    is: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most,
    numeric: true,
  };
}

/** Makes an option required. */
export const required = (kind: OptionKind): OptionKind => ({ ...kind, required: true });

/** Returns the text that describes why a value is invalid: `expected <what>, received <its type>`. */
export const mismatch = ({ what, numeric }: Pick<OptionKind, 'what' | 'numeric'>, value: unknown): string =>
  `expected ${what}, received ${numeric === true && typeof value === 'number' ? value : value === '' ? 'an empty string' : typeName(value)}`;

/** Creates the error for an invalid value: `<subject>: expected <what>, received <its type>`. */
export const invalidArgument = (subject: string, what: string, value: unknown): EtcdError =>
  new EtcdError('InvalidArgument', `${subject}: ${mismatch({ what }, value)}`);

/**
 * Checks an argument of a method or an operator.
 *
 * @throws EtcdError `InvalidArgument` that names the method and the argument
 */
export function checkArgument(method: string, name: string, value: unknown, kind: OptionKind): void {
  if (!kind.is(value)) throw new EtcdError('InvalidArgument', `${name} of ${method}: ${mismatch(kind, value)}`);
}

/**
 * Checks the options of a method or an operator, and returns them. An option with an unknown name is an error: a call
 * that ignores the option would have another effect than expected.
 *
 * @throws EtcdError `InvalidArgument` that names the method and the option
 */
export function checkOptions<O extends object>(method: string, options: O, kinds: OptionKinds<O>): O {
  if (!isObject(options)) throw invalidArgument(`options of ${method}`, 'an object', options);
  const invalid = findInvalidOption(options, kinds);
  if (invalid !== undefined) throw new EtcdError('InvalidArgument', `${invalid.name} of ${method}: ${invalid.problem}`);
  return options;
}

/**
 * Returns the first unknown name among options. If there is none, returns the first option with an invalid value;
 * undefined if all are valid.
 */
export function findInvalidOption<O extends object>(
  options: O,
  kinds: OptionKinds<O>,
  path = '',
): { readonly name: string; readonly problem: string } | undefined {
  const known: Readonly<Record<string, OptionKind>> = kinds;
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).map((key) => path + key);
    return { name: path + name, problem: `expected one of the options ${names.join(', ')}, received an unknown option` };
  }
  for (const name in known) {
    const kind = known[name] ?? ANYTHING;
    const value: unknown = Reflect.get(options, name);
    if ((value !== undefined || kind.required === true) && !kind.is(value)) return { name: path + name, problem: mismatch(kind, value) };
  }
  return undefined;
}

/**
 * Returns whether a value is a JSON object, and not an array. Inherited keys need no check, as `JSON.parse` creates
 * only plain objects.
 */
export function isRecord(input: unknown): input is Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

/** Returns whether a value can hold options. A `Map`, for example, cannot. */
export const isObject = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Object]';

/**
 * Describes a `RangeError` of a function that reads data of a user or a server. JavaScript throws this error if data is
 * nested too deeply for the stack, or if text would be too long for a string.
 *
 * @throws any other error unchanged
 */
export function tooDeep(error: unknown): string {
  if (error instanceof RangeError) return error.message.includes('call stack') ? 'it is nested too deeply' : 'it is too long';
  throw error;
}

/** Returns the name of a value's type, for messages that must not show the value. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string' && !value.isWellFormed()) return 'text with half of a surrogate pair, which UTF-8 cannot represent';
  if (typeof value !== 'object') return typeof value;
  if (Array.isArray(value)) return 'an array';
  // The tag of a `Map`, for example, is `[object Map]`. If a plain object is expected, it would be confusing to
  // describe a `Map` as `an object`.
  const name = Object.prototype.toString.call(value).slice(8, -1);
  return name === 'Object' ? 'object' : name;
}

/**
 * Converts a user's value to JSON.
 *
 * @throws EtcdError `InvalidArgument` if JSON cannot represent it
 */
export function jsonOf(what: string, value: unknown): string {
  let cause: unknown;
  try {
    // Contrary to its type, `JSON.stringify` returns undefined for undefined and for a function.
    const json: unknown = JSON.stringify(value);
    if (typeof json === 'string') return json;
  } catch (error) {
    cause = error;
  }
  throw new EtcdError(
    'InvalidArgument',
    `${what}: expected a value that JSON can represent, received a value with undefined, a function, a bigint, a circular reference or too deep nesting`,
    {
      cause,
    },
  );
}

/**
 * Parses JSON.
 * @throws EtcdError `MalformedResponse`, without the engine's message, as that message quotes text which may be secret
 */
export function parseJson(text: string, where: ErrorDetails): unknown {
  const json = jsonIn(text);
  if (json === undefined) throw new EtcdError('MalformedResponse', 'the response is not JSON', where);
  return json;
}

/** Parses JSON. Returns undefined if the text is not JSON. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Checks the name of a lock, a queue or the like.
 *
 * @throws EtcdError `InvalidArgument` if the name cannot be a prefix of keys. With an empty name the prefix would be
 * `/`, which other programs may use, too.
 */
export function checkName(what: string, name: unknown): void {
  if (typeof name !== 'string' || name === '' || !isBytesLike(name))
    throw invalidArgument(`name of ${what}`, 'a string that is not empty', name);
}

/**
 * Returns whether a text can be the value of a header. Any other text could add another header, or would be rejected
 * when it is sent.
 */
export const isHeaderText = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
