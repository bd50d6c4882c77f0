import { isObservable } from 'rxjs';
import { FUNCTION, type OptionKind } from '../../src/model/validate.js';
import { isBytesLike } from '../../src/model/bytes.js';

const has = (value: unknown, ...fields: readonly string[]): value is object =>
  typeof value === 'object' && value !== null && fields.every((field) => field in value);

const withMethod = (method: string): OptionKind => ({
  what: `an object with a method ${method}, such as etcd.kv`,
  is: (value) => has(value, method) && typeof Reflect.get(value, method) === 'function',
});

export const TXN_TARGET = withMethod('txn');
export const PUT_TARGET = withMethod('put');

export const OBSERVABLE: OptionKind = { what: 'an Observable', is: isObservable };

export const OBSERVABLE_OR_FUNCTION: OptionKind = {
  what: 'an Observable or a function that returns an Observable',
  is: (value) => isObservable(value) || FUNCTION.is(value),
};

export const KEY_OR_FUNCTION: OptionKind = {
  what: 'a string, a Uint8Array or a function that returns a string or a Uint8Array',
  is: (value) => isBytesLike(value) || FUNCTION.is(value),
};

/** An iterable of entries. A string is rejected, as its characters are never the intended entries. */
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
  what: 'a condition made with key(…), or an object with such a condition in the field guard',
  is: (value) => isCompare(value) || (has(value, 'guard') && isCompare(Reflect.get(value, 'guard'))),
};

/** A number in a range, both ends included. */
export const within = (least: number, most: number): OptionKind => ({
  what: most === Infinity ? `a number from ${least}` : `a number from ${least} to ${most}`,
  is: (value) => typeof value === 'number' && value >= least && value <= most,
  numeric: true,
});
