import { byteLength, isAscii, isBytesLike, toBase64, toText, type BytesLike } from '../../src/model/bytes.js';
import { BYTES, invalidArgument } from '../../src/model/validate.js';
import type { LeaseId } from '../../src/model/ids.js';
import { NO_OPTIONS, put, type PutOp } from '../../src/model/op.js';

/** A key with the value that is to be written. */
export interface PutEntry {
  readonly key: BytesLike;
  readonly value: BytesLike;
  /** The lease that the key hangs on from now; without it, none. */
  readonly lease?: LeaseId;
}

/** An entry on its way. */
export interface Item<E extends PutEntry> {
  readonly entry: E;
  /** Its place in the source, from 0. */
  readonly index: number;
  /** The key's own, whether it was given as text or as bytes. */
  readonly keyId: string;
  readonly op: PutOp;
  /** The size as etcd measures it: key and value as they are, not in base64. */
  readonly bytes: number;
}

/**
 * Reads an entry. `captured` has copied it, unless it is an instance of a class.
 *
 * @throws EtcdError `InvalidArgument` for what no server would take: it would refuse all that travel together
 */
export function toItem<E extends PutEntry>(entry: E, index: number): Item<E> {
  // A program in JavaScript can give anything.
  const given: unknown = entry;
  if (typeof given !== 'object' || given === null) throw invalidArgument(`entry ${index} (from 0) of putAll`, '{ key, value }', given);
  const { key, value, lease } = entry;
  if (!isBytesLike(key)) throw invalidArgument(`key of entry ${index} (from 0) of putAll`, BYTES.what, key);
  if (key.length === 0) throw invalidArgument(`key of entry ${index} (from 0) of putAll`, `${BYTES.what} that is not empty`, '');
  if (!isBytesLike(value))
    throw invalidArgument(`value of entry ${index} (from 0) of putAll, with the key ${keyText(key)}`, BYTES.what, value);
  const options = lease === undefined ? NO_OPTIONS : { lease };
  // `put` would copy the bytes once more.
  const isCopy = Object.getPrototypeOf(entry) === Object.prototype;
  const op: PutOp = isCopy ? { op: 'put', key, value, options } : put(key, value, options);
  const keyBytes = byteLength(key);
  return { entry, index, keyId: keyIdOf(key, keyBytes), op, bytes: keyBytes + byteLength(value) };
}

/**
 * Text that is ASCII, as most keys are, is an id by itself. Of any other key the bytes are, behind what no such text
 * begins with.
 */
function keyIdOf(key: BytesLike, bytes: number): string {
  // Of text, as many characters as bytes are ASCII; bytes that are not UTF-8 can be as many.
  if (typeof key === 'string') return key.length === bytes ? key : `\u0080${toBase64(key)}`;
  const text = toText(key);
  return isAscii(text) ? text : `\u0080${toBase64(key)}`;
}

/** As they came. */
export const inOrder = <E extends PutEntry>(items: readonly Item<E>[]): readonly Item<E>[] => items.toSorted((a, b) => a.index - b.index);

/** A key as messages show it. */
export const keyText = (key: BytesLike): string => JSON.stringify(toText(key));
