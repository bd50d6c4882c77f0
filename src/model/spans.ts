import { toBytes, type BytesLike } from './bytes.js';
import { toKeyRange, type KeyRange, type Range } from './range.js';

/** A key as a string with a character for each of its bytes. Such strings compare and sort as etcd's keys do. */
export type BinaryKey = string;

/** The keys from one on, up to but without another; an undefined `to` means no end. */
export interface Span {
  readonly from: BinaryKey;
  readonly to: BinaryKey | undefined;
}

/** Returns the next possible key; no key is between the two. */
const successor = (key: BinaryKey): BinaryKey => `${key}\0`;

const ASCII = /^[\x00-\x7f]*$/;

export function binaryKey(key: BytesLike): BinaryKey {
  // The usual case: ASCII text is equal to its bytes.
  if (typeof key === 'string' && ASCII.test(key)) return key;
  let binary = '';
  for (const byte of toBytes(key)) binary += String.fromCharCode(byte);
  return binary;
}

export function keyBytes(key: BinaryKey): Uint8Array {
  return Uint8Array.from(key, (char) => char.charCodeAt(0));
}

/**
 * Converts a range.
 *
 * @throws EtcdError `InvalidArgument` if it is invalid
 */
export function spanOf(range: Range): Span {
  return spanBetween(toKeyRange(range));
}

/** Converts the range of a request. An empty `rangeEnd` counts as none, as on the wire. */
export function spanBetween({ key, rangeEnd = '' }: KeyRange): Span {
  const from = binaryKey(key);
  if (rangeEnd.length === 0) return { from, to: successor(from) };
  const to = binaryKey(rangeEnd);
  return { from, to: to === '\0' ? undefined : to };
}

/** Returns the keys that two spans have in common; undefined if there are none. */
export function intersection(a: Span, b: Span): Span | undefined {
  const from = a.from > b.from ? a.from : b.from;
  const to = b.to === undefined || (a.to !== undefined && a.to < b.to) ? a.to : b.to;
  return to === undefined || from < to ? { from, to } : undefined;
}

/** Tells whether one span has all keys of another. */
export const covers = (outer: Span, inner: Span): boolean =>
  outer.from <= inner.from && (outer.to === undefined || (inner.to !== undefined && inner.to <= outer.to));

/** Tells whether a span has no keys, as its end is not above its beginning. */
export const isEmpty = ({ from, to }: Span): boolean => to !== undefined && to <= from;

/** Tells whether a span is a single key. */
export const isPoint = ({ from, to }: Span): boolean => to === successor(from);

export const holds = ({ from, to }: Span, key: BinaryKey): boolean => key >= from && (to === undefined || key < to);

export function rangeOf(span: Span): Range {
  const from = keyBytes(span.from);
  if (isPoint(span)) return { key: from };
  return span.to === undefined ? { from } : { from, to: keyBytes(span.to) };
}

/** Returns the parts of a span that remain without some keys. */
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
