import { toBytes, type BytesLike } from './bytes.js';
import { toKeyRange, type Range } from './range.js';

/** A key as a string with a character for each of its bytes: two such strings are equal, and sort, as etcd's keys do. */
export type BinaryKey = string;

/** Keys from one on, up to but without another; `undefined` is no end. */
export interface Span {
  readonly from: BinaryKey;
  readonly to: BinaryKey | undefined;
}

/** No key is between one and its successor. */
const successor = (key: BinaryKey): BinaryKey => `${key}\0`;

export function binaryKey(key: BytesLike): BinaryKey {
  let binary = '';
  for (const byte of toBytes(key)) binary += String.fromCharCode(byte);
  return binary;
}

export function keyBytes(key: BinaryKey): Uint8Array {
  return Uint8Array.from(key, (char) => char.charCodeAt(0));
}

/** @throws EtcdError `InvalidArgument` where it is no range */
export function spanOf(range: Range): Span {
  const { key, rangeEnd } = toKeyRange(range);
  const from = binaryKey(key);
  if (rangeEnd === undefined) return { from, to: successor(from) };
  const to = binaryKey(rangeEnd);
  return { from, to: to === '\0' ? undefined : to };
}

/** Whether it is one key. */
export const isPoint = ({ from, to }: Span): boolean => to === successor(from);

export const holds = ({ from, to }: Span, key: BinaryKey): boolean => key >= from && (to === undefined || key < to);

export function rangeOf(span: Span): Range {
  const from = keyBytes(span.from);
  if (isPoint(span)) return { key: from };
  return span.to === undefined ? { from } : { from, to: keyBytes(span.to) };
}

/** What is left of a span without some keys. */
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
