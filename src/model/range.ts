import { EtcdError } from '../errors/index.js';
import { isBytesLike, toBytes, type BytesLike } from './bytes.js';
import { typeName } from './validate.js';

/**
 * A set of keys, in one of these forms:
 * - one key: `'a'` or `{ key: 'a' }`
 * - the keys with a prefix: `{ prefix: 'app/' }`
 * - the keys from one key to another, which is not included: `{ from: 'a', to: 'b' }`
 * - the keys from one key on: `{ from: 'a' }`
 * - all keys: `{ all: true }`
 */
export type Range =
  | BytesLike
  | { readonly key: BytesLike }
  | { readonly prefix: BytesLike }
  | { readonly from: BytesLike; readonly to?: BytesLike }
  | { readonly all: true };

/**
 * A range in the form of etcd's requests. Without `rangeEnd` it is one key. A `rangeEnd` of one zero byte means all
 * keys from `key` on.
 */
export interface KeyRange {
  readonly key: BytesLike;
  readonly rangeEnd?: BytesLike;
}

const ZERO = '\0';
const LAST_OF_ASCII = 0x7f;

/**
 * Converts a range to `key` and `rangeEnd` of etcd's requests.
 *
 * @throws EtcdError `InvalidArgument` if it has none of the forms of {@link Range}, or its key is empty. An empty
 * prefix would mean every key, for which `{ all: true }` is required.
 */
export function toKeyRange(range: Range): KeyRange {
  // A program in JavaScript can pass any value, and an invalid range could delete the wrong keys.
  const given: unknown = range;
  if (isBytesLike(given)) return { key: nonEmpty('key', given) };
  if (typeof given !== 'object' || given === null) throw invalid(typeName(given));
  const forms = Object.keys(given).join(',');
  if ('key' in given && forms === 'key') return { key: nonEmpty('key', given.key) };
  if ('prefix' in given && forms === 'prefix') {
    const prefix = nonEmpty('prefix', given.prefix);
    return { key: prefix, rangeEnd: prefixEnd(prefix) };
  }
  if ('from' in given && (forms === 'from' || forms === 'from,to' || forms === 'to,from')) {
    const from = nonEmpty('from', given.from);
    // A `to` that is given but undefined is a mistake, and must not mean all keys from `from` on.
    return { key: from, rangeEnd: 'to' in given ? checkEnd(nonEmpty('to', given.to)) : ZERO };
  }
  if ('all' in given && forms === 'all' && given.all === true) return { key: ZERO, rangeEnd: ZERO };
  throw invalid(`the fields ${JSON.stringify(forms)}`);
}

/**
 * Returns the first key after all keys with a prefix. The last byte below 0xff is incremented, and the bytes after it
 * are removed.
 */
export function prefixEnd(prefix: BytesLike): BytesLike {
  if (typeof prefix === 'string') {
    const last = prefix.charCodeAt(prefix.length - 1);
    // The end is text if possible, as a watch keeps it, and a small byte array takes five times as much memory. `join`
    // creates one flat string, and not a rope.
    if (last < LAST_OF_ASCII) return [prefix.slice(0, -1), String.fromCharCode(last + 1)].join('');
  }
  const bytes = toBytes(prefix);
  for (let last = bytes.length - 1; last >= 0; last--) {
    const byte = bytes[last];
    if (byte !== undefined && byte < 0xff) {
      // The bytes are copied, as the `slice` of a `Buffer` would share its memory.
      const end = new Uint8Array(bytes.subarray(0, last + 1));
      end[last] = byte + 1;
      return end;
    }
  }
  return ZERO;
}

/**
 * Checks a single key, which must not be a range.
 *
 * @throws EtcdError `InvalidArgument`
 */
export const toSingleKey = (key: unknown): KeyRange => ({ key: nonEmpty('key', key) });

function nonEmpty(field: string, value: unknown): BytesLike {
  if (!isBytesLike(value)) throw invalid(`${typeName(value)} in the field ${field}`);
  if (value.length === 0) throw invalid(`an empty ${field}; use { all: true } for all keys`);
  return value;
}

/**
 * Rejects an end of one zero byte, as etcd reads such an end as no end. An empty range would become all keys from
 * `from` on, and a delete would delete these keys.
 */
function checkEnd(to: BytesLike): BytesLike {
  if (to.length === 1 && (to === ZERO || to[0] === 0))
    throw invalid('a zero byte in the field to, and no key is below a zero byte; for all keys from a key on, use { from }');
  return to;
}

function invalid(received: string): EtcdError {
  return new EtcdError(
    'InvalidArgument',
    `range: expected 'key', { key }, { prefix }, { from, to }, { from } or { all: true }, each a string or Uint8Array, received ${received}`,
  );
}

/**
 * A key as a string that has one character for each byte of the key. These strings are sorted in the same order as keys
 * in etcd.
 */
export type BinaryKey = string;

/** The keys from `from` to `to`. `to` is not included; if it is undefined, the span has no end. */
export interface Span {
  readonly from: BinaryKey;
  readonly to: BinaryKey | undefined;
}

/** Returns the next possible key. No key is between the two. */
const successor = (key: BinaryKey): BinaryKey => `${key}\0`;

const ASCII = /^[\x00-\x7f]*$/;

export function binaryKey(key: BytesLike): BinaryKey {
  // Most keys are ASCII text, in which the characters are the same as the bytes.
  if (typeof key === 'string' && ASCII.test(key)) return key;
  let binary = '';
  for (const byte of toBytes(key)) binary += String.fromCharCode(byte);
  return binary;
}

export function keyBytes(key: BinaryKey): Uint8Array {
  return Uint8Array.from(key, (char) => char.charCodeAt(0));
}

/**
 * Converts a range to a span.
 *
 * @throws EtcdError `InvalidArgument` if the range is invalid
 */
export function spanOf(range: Range): Span {
  return spanBetween(toKeyRange(range));
}

/** Converts the range of a request to a span. An empty `rangeEnd` counts as none, as etcd does not distinguish them. */
export function spanBetween({ key, rangeEnd = '' }: KeyRange): Span {
  const from = binaryKey(key);
  if (rangeEnd.length === 0) return { from, to: successor(from) };
  const to = binaryKey(rangeEnd);
  return { from, to: to === '\0' ? undefined : to };
}

/** Returns the keys that two spans have in common; undefined if there are no such keys. */
export function intersection(a: Span, b: Span): Span | undefined {
  const from = a.from > b.from ? a.from : b.from;
  const to = b.to === undefined || (a.to !== undefined && a.to < b.to) ? a.to : b.to;
  return to === undefined || from < to ? { from, to } : undefined;
}

/** Returns whether one span contains all keys of another. */
export const covers = (outer: Span, inner: Span): boolean =>
  outer.from <= inner.from && (outer.to === undefined || (inner.to !== undefined && inner.to <= outer.to));

/** Returns whether a span has no keys. Its end is then not above its beginning. */
export const isEmpty = ({ from, to }: Span): boolean => to !== undefined && to <= from;

/** Returns whether a span is a single key. */
export const isPoint = ({ from, to }: Span): boolean => to === successor(from);

export const holds = ({ from, to }: Span, key: BinaryKey): boolean => key >= from && (to === undefined || key < to);

export function rangeOf(span: Span): Range {
  const from = keyBytes(span.from);
  if (isPoint(span)) return { key: from };
  return span.to === undefined ? { from } : { from, to: keyBytes(span.to) };
}

/** Returns the parts of a span that remain without the given keys. */
export function without(span: Span, keys: Iterable<BinaryKey>): readonly Span[] {
  const rest: Span[] = [];
  let { from } = span;
  for (const key of [...keys].filter((each) => holds(span, each)).sort()) {
    if (from < key) rest.push({ from, to: key });
    from = successor(key);
  }
  if (span.to === undefined || from < span.to) rest.push({ from, to: span.to });
  return rest;
}
