import { EtcdError } from '../errors/index.js';
import { isBytesLike, toBytes, type BytesLike } from './bytes.js';
import { typeName } from './failures.js';

/**
 * Which keys: one (`'a'` or `{ key: 'a' }`), those that begin alike (`{ prefix: 'app/' }`), from one up to but without another
 * (`{ from: 'a', to: 'b' }`), from one on (`{ from: 'a' }`), or all (`{ all: true }`).
 */
export type Range =
  | BytesLike
  | { readonly key: BytesLike }
  | { readonly prefix: BytesLike }
  | { readonly from: BytesLike; readonly to?: BytesLike }
  | { readonly all: true };

/** A range as etcd's requests carry it. Without `rangeEnd` it is one key; `rangeEnd` of one zero byte means "and all that follow". */
export interface KeyRange {
  readonly key: BytesLike;
  readonly rangeEnd?: BytesLike;
}

const ZERO = '\0';
const LAST_OF_ASCII = 0x7f;

/**
 * A range as key and range_end: the one place that knows how.
 *
 * @throws EtcdError `InvalidArgument` where it is none of the forms of {@link Range}, or its key is empty: an empty `{ prefix: '' }`
 *   would mean every key, which has to be said as `{ all: true }`.
 */
export function toKeyRange(range: Range): KeyRange {
  // A program in JavaScript can give anything, and a wrong range is a wrong deletion.
  const given: unknown = range;
  if (isBytesLike(given)) return { key: nonEmpty('key', given) };
  if (typeof given !== 'object' || given === null) throw invalid(`it cannot be ${typeName(given)}`);
  const forms = Object.keys(given).join(',');
  if ('key' in given && forms === 'key') return { key: nonEmpty('key', given.key) };
  if ('prefix' in given && forms === 'prefix') {
    const prefix = nonEmpty('prefix', given.prefix);
    return { key: prefix, rangeEnd: prefixEnd(prefix) };
  }
  if ('from' in given && (forms === 'from' || forms === 'from,to' || forms === 'to,from')) {
    const from = nonEmpty('from', given.from);
    // One that is there, but undefined, is a slip: it must not become all that follows.
    return { key: from, rangeEnd: 'to' in given ? checkEnd(nonEmpty('to', given.to)) : ZERO };
  }
  if ('all' in given && forms === 'all' && given.all === true) return { key: ZERO, rangeEnd: ZERO };
  throw invalid(`it has the fields ${JSON.stringify(forms)}`);
}

/** The first key after all those that begin with `prefix`: its last byte below 0xff is raised by one, and what follows is cut. */
export function prefixEnd(prefix: BytesLike): BytesLike {
  if (typeof prefix === 'string') {
    const last = prefix.charCodeAt(prefix.length - 1);
    // Text where it can be: a watch holds it as long as it lives, and a small array of bytes takes five times the memory. Joined, it is not held in parts.
    if (last < LAST_OF_ASCII) return [prefix.slice(0, -1), String.fromCharCode(last + 1)].join('');
  }
  const bytes = toBytes(prefix);
  for (let last = bytes.length - 1; last >= 0; last--) {
    const byte = bytes[last];
    if (byte !== undefined && byte < 0xff) {
      // A copy, which a Buffer's own `slice` would not be.
      const end = new Uint8Array(bytes.subarray(0, last + 1));
      end[last] = byte + 1;
      return end;
    }
  }
  return ZERO;
}

function nonEmpty(field: string, value: unknown): BytesLike {
  if (!isBytesLike(value)) throw invalid(`its ${field} cannot be ${typeName(value)}`);
  if (value.length === 0) throw invalid(`its ${field} is empty; say { all: true } for every key`);
  return value;
}

/** etcd takes one zero byte as "no end": a range that holds nothing would become all that follows, and so would its deletion. */
function checkEnd(to: BytesLike): BytesLike {
  if (to.length === 1 && (to === ZERO || to[0] === 0)) throw invalid('no key is below a zero byte; for all from one key on leave out to');
  return to;
}

function invalid(problem: string): EtcdError {
  return new EtcdError(
    'InvalidArgument',
    `a range is 'key', { key }, { prefix }, { from, to }, { from } or { all: true }, each a string or Uint8Array: ${problem}`,
  );
}
