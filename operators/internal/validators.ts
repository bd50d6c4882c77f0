import { EtcdError } from '../../src/errors/index.js';
import { isObservable } from 'rxjs';
import { FUNCTION, type OptionKind } from '../../src/model/validate.js';
import { isBytesLike } from '../../src/model/bytes.js';

/** The valid arguments of operators, beside those of a client's methods. */

const has = (value: unknown, ...fields: readonly string[]): value is object =>
  typeof value === 'object' && value !== null && fields.every((field) => field in value);

const withMethod = (method: string): OptionKind => ({
  what: `what has a method ${method}, as etcd.kv`,
  is: (value) => has(value, method) && typeof Reflect.get(value, method) === 'function',
});

export const TXN_TARGET = withMethod('txn');
export const PUT_TARGET = withMethod('put');

export const OBSERVABLE: OptionKind = { what: 'an Observable', is: isObservable };

export const OBSERVABLE_OR_FUNCTION: OptionKind = {
  what: 'an Observable or a function that gives one',
  is: (value) => isObservable(value) || FUNCTION.is(value),
};

export const KEY_OR_FUNCTION: OptionKind = {
  what: 'a string, a Uint8Array or a function that gives one',
  is: (value) => isBytesLike(value) || FUNCTION.is(value),
};

/** No string: its characters are never what is wanted. */
export const ITERABLE: OptionKind = { what: 'an iterable', is: (value) => hasIterator(value, Symbol.iterator) };
export const ANY_ITERABLE: OptionKind = {
  what: 'an iterable',
  is: (value) => hasIterator(value, Symbol.iterator) || hasIterator(value, Symbol.asyncIterator),
};

const hasIterator = (value: unknown, symbol: symbol): boolean =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, symbol) === 'function';

export const KEY_VALUE: OptionKind = { what: 'a KeyValue', is: (value) => has(value, 'key', 'modRevision') };

const isCompare = (value: unknown): boolean => has(value, 'target', 'range', 'result');

export const GUARD: OptionKind = {
  what: 'a condition that key(…) makes, or what has one as its guard',
  is: (value) => isCompare(value) || (has(value, 'guard') && isCompare(Reflect.get(value, 'guard'))),
};

/** A number that is so small and so large. */
export const within = (least: number, most: number): OptionKind => ({
  what: most === Infinity ? `a number from ${least}` : `from ${least} to ${most}`,
  is: (value) => typeof value === 'number' && value >= least && value <= most,
});

/**
 * Creates the error for a value of the source that an operator cannot use. `checkArgument` and `checkOptions` check
 * the operator's own arguments.
 */
export function invalid(operator: string, problem: string): EtcdError {
  return new EtcdError('InvalidArgument', `${operator}: ${problem}`);
}
