import { EtcdError } from '../errors/index.js';
import { isBytesLike } from './bytes.js';
import { typeName } from './failures.js';

/** What an option may be. */
export interface OptionKind {
  /** For the message: `true or false`. */
  readonly what: string;
  readonly is: (value: unknown) => boolean;
  readonly required?: true;
}

/** What each option of a method may be: a record, so that the compiler finds the one that was forgotten. */
export type OptionKinds<O> = Readonly<Record<keyof O, OptionKind>>;

export const BOOLEAN: OptionKind = { what: 'true or false', is: (value) => typeof value === 'boolean' };
export const STRING: OptionKind = { what: 'a string', is: (value) => typeof value === 'string' };
export const FUNCTION: OptionKind = { what: 'a function', is: (value) => typeof value === 'function' };
export const ARRAY: OptionKind = { what: 'an array', is: (value) => Array.isArray(value) };
export const BYTES: OptionKind = { what: 'a string or a Uint8Array', is: isBytesLike };
export const WHOLE: OptionKind = { what: 'a whole number from 1', is: (value) => Number.isSafeInteger(value) && Number(value) >= 1 };
export const FROM_ZERO: OptionKind = { what: 'a whole number from 0', is: (value) => Number.isSafeInteger(value) && Number(value) >= 0 };
export const MILLISECONDS: OptionKind = {
  what: 'a number of milliseconds above 0, or Infinity',
  is: (value) => typeof value === 'number' && value > 0,
};
export const LEASE: OptionKind = {
  what: 'the id of a lease, a decimal string',
  is: (value) => typeof value === 'string' && /^\d+$/.test(value),
};
/** Node's timers wrap above this, and fire at once; it is 24 days, and as good as no limit. */
export const LONGEST_MS = 2 ** 31 - 1;

/** An io-ts codec, or what does its work. */
export const CODEC: OptionKind = {
  what: 'an io-ts codec',
  is: (value) => typeof value === 'object' && value !== null && typeof Reflect.get(value, 'decode') === 'function',
};

/** Of another realm, too. */
export const SIGNAL: OptionKind = {
  what: 'an AbortSignal',
  is: (value) =>
    typeof value === 'object' && value !== null && 'aborted' in value && typeof Reflect.get(value, 'addEventListener') === 'function',
};

/** What looks after itself. */
export const ANYTHING: OptionKind = { what: 'anything', is: () => true };

export function oneOf(...values: readonly unknown[]): OptionKind {
  return { what: values.length > 1 ? `one of ${values.join(', ')}` : String(values[0]), is: (value) => values.includes(value) };
}

/** An option that cannot be left out. */
export const required = (kind: OptionKind): OptionKind => ({ ...kind, required: true });

/** Refuses an argument of a method or an operator. @throws EtcdError `InvalidArgument` that names both */
export function checkArgument(method: string, name: string, value: unknown, { what, is }: OptionKind): void {
  if (!is(value))
    throw new EtcdError('InvalidArgument', `${method}: ${name} is ${what}, not ${typeof value === 'number' ? value : typeName(value)}`);
}

/**
 * The options of a method or an operator, as they were given. An option of another name would be left out of account, and what has it do something else than was asked for.
 *
 * @throws EtcdError `InvalidArgument` that names the method and the option
 */
export function checkOptions<O extends object>(method: string, options: O, kinds: OptionKinds<O>): O {
  // A program in JavaScript can give anything.
  const given: unknown = options;
  if (!isObject(given)) throw new EtcdError('InvalidArgument', `the options of ${method} are an object, not ${typeName(given)}`);
  const known: Readonly<Record<string, OptionKind>> = kinds;
  for (const name of Object.keys(given))
    if (!Object.hasOwn(known, name))
      throw new EtcdError('InvalidArgument', `${method} has no option ${JSON.stringify(name)}; it has ${Object.keys(known).join(', ')}`);
  for (const name in known) {
    const kind = known[name] ?? ANYTHING;
    const value: unknown = Reflect.get(given, name);
    if (value !== undefined || kind.required === true) checkArgument(method, name, value, kind);
  }
  return options;
}

/** A `Map`, say, has no options, whatever is in it. */
export const isObject = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Object]';
