import { EtcdError } from '../errors/index.js';
import { isBytesLike, toBytes, type BytesLike } from './bytes.js';
import { typeName } from './validate.js';

/**
 * A set of keys, in one of these forms:
 * - one key: `'a'` or `{ key: 'a' }`
 * - the keys with a prefix: `{ prefix: 'app/' }`
 * - the keys from one up to but without another: `{ from: 'a', to: 'b' }`
 * - the keys from one on: `{ from: 'a' }`
 * - all keys: `{ all: true }`
 */
export type Range =
  | BytesLike
  | { readonly key: BytesLike }
  | { readonly prefix: BytesLike }
  | { readonly from: BytesLike; readonly to?: BytesLike }
  | { readonly all: true };

/**
 * A range as in etcd's requests. Without `rangeEnd` it is one key; a `rangeEnd` of one zero byte means all keys from
 * `key` on.
 */
export interface KeyRange {
  readonly key: BytesLike;
  readonly rangeEnd?: BytesLike;
}

const ZERO = '\0';
const LAST_OF_ASCII = 0x7f;

/**
 * Converts a range to etcd's key and range_end. No other code does that.
 *
 * @throws EtcdError `InvalidArgument` if it has none of the forms of {@link Range}, or its key is empty. An empty
 * prefix would mean every key, for which `{ all: true }` is required.
 */
export function toKeyRange(range: Range): KeyRange {
  // A caller in JavaScript can pass any value, and a wrong range could delete the wrong keys.
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
    // A `to` that is undefined is a mistake, and must not mean all keys from `from` on.
    return { key: from, rangeEnd: 'to' in given ? checkEnd(nonEmpty('to', given.to)) : ZERO };
  }
  if ('all' in given && forms === 'all' && given.all === true) return { key: ZERO, rangeEnd: ZERO };
  throw invalid(`the fields ${JSON.stringify(forms)}`);
}

/**
 * Returns the first key after all those with a prefix. The last byte below 0xff is incremented, and the bytes after it
 * are removed.
 */
export function prefixEnd(prefix: BytesLike): BytesLike {
  if (typeof prefix === 'string') {
    const last = prefix.charCodeAt(prefix.length - 1);
    // Text if possible: a watch keeps it, and a small byte array takes five times the memory. `join` makes one flat
    // string rather than a rope.
    if (last < LAST_OF_ASCII) return [prefix.slice(0, -1), String.fromCharCode(last + 1)].join('');
  }
  const bytes = toBytes(prefix);
  for (let last = bytes.length - 1; last >= 0; last--) {
    const byte = bytes[last];
    if (byte !== undefined && byte < 0xff) {
      // A copy, which the `slice` of a `Buffer` would not be.
      const end = new Uint8Array(bytes.subarray(0, last + 1));
      end[last] = byte + 1;
      return end;
    }
  }
  return ZERO;
}

function nonEmpty(field: string, value: unknown): BytesLike {
  if (!isBytesLike(value)) throw invalid(`${typeName(value)} as its ${field}`);
  if (value.length === 0) throw invalid(`an empty ${field}; say { all: true } for every key`);
  return value;
}

/**
 * Rejects an end of one zero byte, which etcd takes for no end. An empty range would become all keys from `from` on,
 * and a delete would delete them.
 */
function checkEnd(to: BytesLike): BytesLike {
  if (to.length === 1 && (to === ZERO || to[0] === 0))
    throw invalid('a zero byte as its to, below which no key is; leave out to for all keys from one on');
  return to;
}

function invalid(received: string): EtcdError {
  return new EtcdError(
    'InvalidArgument',
    `range: expected 'key', { key }, { prefix }, { from, to }, { from } or { all: true }, each a string or Uint8Array, received ${received}`,
  );
}
