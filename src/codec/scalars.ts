import { fromBase64, isBytesLike, toBase64, type BytesLike } from '../model/bytes.js';
import type { ClusterId, LeaseId, MemberId } from '../model/ids.js';
import { INVALID, jsonText, WireType, type WireKind } from './descriptors.js';

const NOT_BASE64 = /[^A-Za-z0-9+/=]/;

/**
 * Returns whether text is base64 by its characters. It works on any runtime, and is the fastest check for short text
 * such as a key.
 */
function looksLikeBase64(text: string): boolean {
  // Searching for an invalid character takes half the time of matching all valid characters. It also needs no stack for
  // a value of megabytes.
  if (text.length % 4 !== 0 || NOT_BASE64.test(text)) return false;
  const padding = text.indexOf('=');
  return padding === -1 || (padding >= text.length - 2 && text.endsWith('='));
}

interface NodeBuffer {
  alloc(size: number): { write(text: string, encoding: 'base64'): number };
}

/**
 * The length from which on Node's decoder is faster than a regular expression. It is three times as fast at 256 bytes,
 * and fifteen times at a megabyte.
 */
const LONG = 96;
/** The number of characters that are decoded at a time. It is a multiple of four. */
const PART = 16_384;
/**
 * Finds characters above 0xff, of which Node's decoder would read only the low byte. The search costs nothing if V8
 * stores the text with one byte for each character.
 */
const WIDE = /[^\x00-\xff]/;

/**
 * Returns whether text is base64 by decoding it into scratch memory, part by part. Node skips invalid characters, so
 * text with such characters decodes to fewer bytes than expected. (Node also accepts the URL-safe alphabet, which
 * decodes to the same bytes.)
 */
function byDecoding(buffer: NodeBuffer): (text: string) => boolean {
  const scratch = buffer.alloc(PART);
  return (text) => {
    if (text.length < LONG) return looksLikeBase64(text);
    if (text.length % 4 !== 0 || WIDE.test(text)) return false;
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
    let decoded = 0;
    // No part decodes to more than three quarters of its length. So one part cannot hide the missing bytes of another
    // part.
    for (let at = 0; at < text.length; at += PART) {
      decoded += scratch.write(text.length <= PART ? text : text.slice(at, at + PART), 'base64');
    }
    return decoded === (text.length / 4) * 3 - padding;
  };
}

const nodeBuffer = (globalThis as { Buffer?: unknown }).Buffer as NodeBuffer | undefined;

/** Returns whether text is padded standard base64, the only form that a gateway sends. */
export const isBase64: (text: string) => boolean = nodeBuffer === undefined ? looksLikeBase64 : byDecoding(nodeBuffer);

const INTEGER = /^-?\d+$/;

/**
 * Reads a 64-bit integer as a number: a revision, version, count or TTL. An integer that a `number` cannot represent
 * exactly is rejected, and not rounded.
 */
export function readInteger(input: unknown): number | typeof INVALID {
  if (typeof input === 'string') {
    // A number represents up to 15 digits exactly. Adding up the digits takes a third of the time of a regular
    // expression and `Number()`, and each key has three numbers.
    return input.length <= 15 ? readDigits(input) : readLong(input);
  }
  return typeof input === 'number' && Number.isSafeInteger(input) ? input : INVALID;
}

function readDigits(text: string): number | typeof INVALID {
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return readLong(text);
    value = value * 10 + digit;
  }
  return text === '' ? INVALID : value;
}

function readLong(text: string): number | typeof INVALID {
  const value = Number(text);
  return Number.isSafeInteger(value) && INTEGER.test(text) ? value : INVALID;
}

const writeInteger = (value: number): string | typeof INVALID => (Number.isSafeInteger(value) ? `"${value}"` : INVALID);

/** An int64. On the wire it is decimal text. */
export const int64 = new WireType<number>('int64', { is: 'int64' }, () => 0, readInteger, writeInteger);

/** Reads an integer as {@link readInteger} does, but rejects negative integers. */
export function readNatural(input: unknown): number | typeof INVALID {
  const value = readInteger(input);
  return value === INVALID || value < 0 ? INVALID : value;
}

const writeNatural = (value: number): string | typeof INVALID => (value >= 0 ? writeInteger(value) : INVALID);

/** A uint64. On the wire it is decimal text. */
export const uint64 = new WireType<number>('uint64', { is: 'uint64' }, () => 0, readNatural, writeNatural);

/** An int64 that is never negative, such as a revision or a count. */
export const natural = new WireType<number>('int64 from 0', { is: 'int64' }, () => 0, readNatural, writeNatural);

/** An int32 or uint32. On the wire it is a number. */
export const int32 = new WireType<number>(
  'int32',
  { is: 'int32' },
  () => 0,
  readInteger,
  (value) => (Number.isSafeInteger(value) ? String(value) : INVALID),
);

/**
 * Compares integers by their text. The header of every response has two ids. Comparing them with `BigInt` would take
 * longer than reading the rest of the header.
 */
const atMost = (digits: string, most: string): boolean => digits.length < most.length || (digits.length === most.length && digits <= most);

/**
 * Creates the codec of an id.
 *
 * @param least the least negative id, without its sign
 */
function id<Id extends string>(name: string, kind: 'int64' | 'uint64', least: string, most: string): WireType<Id> {
  // The last valid id. The next id is often the same, as all messages of a stream come from one member. So the texts
  // are compared first, which takes a tenth of the time of a check.
  let valid = '0';
  const check = (input: unknown): Id | typeof INVALID => {
    if (input === valid) return valid as Id;
    if (typeof input !== 'string' || !INTEGER.test(input)) return INVALID;
    const inRange = input.startsWith('-') ? atMost(input.slice(1), least) : atMost(input, most);
    if (!inRange) return INVALID;
    valid = input;
    return input as Id;
  };
  return new WireType<Id>(
    name,
    { is: kind },
    () => '0' as Id,
    check,
    (value) => (check(value) === INVALID ? INVALID : `"${value}"`),
  );
}

const MAX_UINT64 = '18446744073709551615';

/** The id of a lease; `'0'` means none. */
export const leaseIdCodec = id<LeaseId>('LeaseId', 'int64', '9223372036854775808', '9223372036854775807');
/** The id of a member; `'0'` means none. */
export const memberIdCodec = id<MemberId>('MemberId', 'uint64', '0', MAX_UINT64);
/** The id of a cluster. */
export const clusterIdCodec = id<ClusterId>('ClusterId', 'uint64', '0', MAX_UINT64);

export const string = new WireType<string>(
  'string',
  { is: 'string' },
  () => '',
  (input) => (typeof input === 'string' ? input : INVALID),
  // The server would read half of a surrogate pair as U+FFFD. So two different passwords could become the same.
  (value) => (typeof value === 'string' && value.isWellFormed() ? jsonText(value) : INVALID),
);

export const bool = new WireType<boolean>(
  'bool',
  { is: 'bool' },
  () => false,
  (input) => (typeof input === 'boolean' ? input : INVALID),
  (value) => (typeof value === 'boolean' ? String(value) : INVALID),
);

const writeBytes = (value: BytesLike): string | typeof INVALID => (isBytesLike(value) ? `"${toBase64(value)}"` : INVALID);

/** Bytes. They are decoded to a `Uint8Array`. A request also accepts text, which is sent as UTF-8. */
export const bytes = new WireType<Uint8Array, BytesLike>(
  'bytes (a string or Uint8Array)',
  { is: 'bytes' },
  () => new Uint8Array(0),
  (input) => (typeof input === 'string' && isBase64(input) ? fromBase64(input) : INVALID),
  writeBytes,
);

/**
 * Creates the codec of an enum, by etcd's names. Unknown names are rejected before a request is sent. Gateways up to
 * 3.5 would respond with 400, but later ones would use the default without an error.
 *
 * @param values the names in the order of their numbers; the first one is the default
 */
export function enumeration<const V extends readonly [string, ...string[]]>(name: string, values: V): WireType<V[number]> {
  const check = (input: unknown): V[number] | typeof INVALID => (values.includes(input as string) ? (input as V[number]) : INVALID);
  return new WireType<V[number]>(
    `${name} (${values.join(', ')})`,
    { is: 'enum', values },
    () => values[0],
    // A gateway may send the number of the value instead of its name.
    (input) => (typeof input === 'number' ? check(values[input]) : check(input)),
    (value) => (check(value) === INVALID ? INVALID : `"${value}"`),
  );
}

/** Creates the codec of a list. A missing list is empty. */
export function array<A, In>(of: WireType<A, In>): WireType<readonly A[], readonly In[]> {
  const kind: WireKind = { is: 'array', of: of.kind };
  return new WireType<readonly A[], readonly In[]>(
    `${of.name}[]`,
    kind,
    () => [],
    (input) => {
      if (!Array.isArray(input)) return INVALID;
      // The array is created with its full size, as adding 5 000 keys one by one would copy it several times.
      const values = new Array<A>(input.length);
      for (let at = 0; at < input.length; at++) {
        const value = of.read(input[at]);
        if (value === INVALID) return INVALID;
        values[at] = value;
      }
      return values;
    },
    (items) => {
      if (!Array.isArray(items)) return INVALID;
      let list = '';
      // The loop uses indexes, as `map` would skip holes.
      for (let at = 0; at < items.length; at++) {
        const text = of.write(items[at] as In);
        if (text === INVALID) return INVALID;
        list += at === 0 ? text : `,${text}`;
      }
      return `[${list}]`;
    },
    (input, context) =>
      Array.isArray(input)
        ? input.flatMap((item, index) =>
            of.read(item) === INVALID ? of.explain(item, [...context, { key: String(index), type: of, actual: item }]) : [],
          )
        : [{ value: input, context }],
  );
}

/** Creates the codec of an optional field. If the field is missing, it is `undefined`, and not a default. */
export function maybe<A, In>(of: WireType<A, In>): WireType<A | undefined, In> {
  return new WireType<A | undefined, In>(of.name, of.kind, () => undefined, of.read, of.write, of.explain);
}
