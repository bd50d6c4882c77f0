import { byteLength, isAscii, isBytesLike, toBase64, toText, type BytesLike } from '../../src/model/bytes.js';
import { BYTES, invalidArgument } from '../../src/model/validate.js';
import type { LeaseId } from '../../src/model/ids.js';
import { NO_OPTIONS, put, type PutOp } from '../../src/model/op.js';

/** A key with the value that is to be written. */
export interface PutEntry {
  readonly key: BytesLike;
  readonly value: BytesLike;
  /** The lease that the key is attached to from now on; by default none. */
  readonly lease?: LeaseId;
}

/** An entry that waits to be written, or is being written. */
export interface Item<E extends PutEntry> {
  readonly entry: E;
  /** The index of the entry in the source, from 0. */
  readonly index: number;
  /** The id of the key. It is the same for text and for the bytes of that text. */
  readonly keyId: string;
  readonly op: PutOp;
  /** The size as etcd measures it: the bytes of key and value, not their base64. */
  readonly bytes: number;
}

/**
 * Reads an entry. The entry was copied by `captured`, unless it is an instance of a class.
 *
 * @throws EtcdError `InvalidArgument` for an entry that no server accepts, as the server would reject its whole txn
 */
export function toItem<E extends PutEntry>(entry: E, index: number): Item<E> {
  // A program in JavaScript can pass any value.
  const given: unknown = entry;
  if (typeof given !== 'object' || given === null) throw invalidArgument(`the entry at index ${index} of putAll`, '{ key, value }', given);
  const { key, value, lease } = entry;
  if (!isBytesLike(key)) throw invalidArgument(`key of the entry at index ${index} of putAll`, BYTES.what, key);
  if (key.length === 0) throw invalidArgument(`key of the entry at index ${index} of putAll`, `${BYTES.what} that is not empty`, '');
  if (!isBytesLike(value))
    throw invalidArgument(`value of the entry at index ${index} of putAll, with the key ${keyText(key)}`, BYTES.what, value);
  const options = lease === undefined ? NO_OPTIONS : { lease };
  // `captured` has copied a plain object already, so `put` need not copy its bytes again.
  const isCopy = Object.getPrototypeOf(entry) === Object.prototype;
  const op: PutOp = isCopy ? { op: 'put', key, value, options } : put(key, value, options);
  const keyBytes = byteLength(key);
  return { entry, index, keyId: keyIdOf(key, keyBytes), op, bytes: keyBytes + byteLength(value) };
}

/**
 * Returns the id of a key. Most keys are ASCII text, which is used as the id. For any other key, the id is the base64
 * of its bytes, after a prefix with which no ASCII text begins.
 */
function keyIdOf(key: BytesLike, bytes: number): string {
  // Text is ASCII if it has as many bytes as characters. Bytes are not tested in this way, as the test is wrong for
  // bytes that are not UTF-8.
  if (typeof key === 'string') return key.length === bytes ? key : `\u0080${toBase64(key)}`;
  const text = toText(key);
  return isAscii(text) ? text : `\u0080${toBase64(key)}`;
}

/** Returns items in the order of the source. */
export const inOrder = <E extends PutEntry>(items: readonly Item<E>[]): readonly Item<E>[] => items.toSorted((a, b) => a.index - b.index);

/** Returns a key as error messages show it. */
export const keyText = (key: BytesLike): string => JSON.stringify(toText(key));
