import { toBase64 } from '../../model/bytes.js';

/**
 * A key as text that has one character for each byte of the key. Such texts can be the keys of a `Map`. JavaScript
 * compares them in the order of their bytes, faster than byte arrays.
 */
export type Key = string;

/**
 * The function `String.fromCharCode`. It is a local constant, because jest looks up a global at each use. A look-up for
 * each byte of a key would take most of the time of a put.
 */
const { fromCharCode } = String;

/** Converts the bytes of a key to its text. */
export function keyOf(bytes: Uint8Array): Key {
  let key = '';
  for (const byte of bytes) key += fromCharCode(byte);
  return key;
}

/** Converts a key to its bytes. */
export function bytesOf(key: Key): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let at = 0; at < key.length; at++) bytes[at] = key.charCodeAt(at);
  return bytes;
}

/** Returns the base64 of a key. */
export const base64Of = (key: Key): string => toBase64(bytesOf(key));

/** The keys from `from` on that are before `to`. If `to` is undefined, the span contains all keys from `from` on. */
export interface KeySpan {
  readonly from: Key;
  readonly to: Key | undefined;
  /** Whether the span was requested as one key, and not as a range. */
  readonly single: boolean;
}

/** Returns the span of one key. */
export const keySpan = (key: Key): KeySpan => ({ from: key, to: `${key}\0`, single: true });

/** Returns the span for the key and the range end of a request. */
export function spanOf({ key, rangeEnd }: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): KeySpan {
  const from = keyOf(key);
  if (rangeEnd.length === 0) return keySpan(from);
  const to = keyOf(rangeEnd);
  return { from, to: to === '\0' ? undefined : to, single: false };
}

/** Returns whether a span contains a key. */
export const contains = ({ from, to }: KeySpan, key: Key): boolean => key >= from && (to === undefined || key < to);

/** Returns the span of all keys with a prefix. The prefix must end in a slash. */
export const withPrefix = (prefix: Key): KeySpan => ({ from: prefix, to: `${prefix.slice(0, -1)}0`, single: false });
