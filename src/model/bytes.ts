/**
 * Bytes, UTF-8 and base64 on any JavaScript runtime. Node's `Buffer` is several times faster than anything else that Node 20
 * to 24 have, so it is used where it exists; a browser gets `atob` and `btoa`. Either way what comes out is a plain `Uint8Array` that owns its
 * memory: a `Buffer` from the pool would show its neighbours through `.buffer`.
 */

/** Text (sent as UTF-8) or bytes: what a key or a value may be given as. */
export type BytesLike = string | Uint8Array;

interface Base64 {
  readonly encode: (bytes: Uint8Array) => string;
  readonly encodeText: (text: string) => string;
  readonly decode: (base64: string) => Uint8Array;
  readonly decodeText: (base64: string) => string;
  /** How many bytes its UTF-8 form has. */
  readonly lengthOf: (text: string) => number;
}

interface NodeBuffer {
  from(data: string, encoding: 'utf8' | 'base64'): NodeBuffer;
  from(data: ArrayBufferLike, offset: number, length: number): NodeBuffer;
  alloc(size: number): NodeBuffer;
  write(text: string, encoding: 'utf8' | 'base64'): number;
  toString(encoding: 'utf8' | 'base64', start?: number, end?: number): string;
  byteLength(text: string): number;
}

/** What fits is encoded and decoded in scratch memory, which saves an allocation a value. */
const SCRATCH_BYTES = 16_384;
/** Of UTF-8, for a unit of JavaScript's text. */
const MOST_BYTES_A_CHARACTER = 3;

const utf8Encoder = new TextEncoder();
// ignoreBOM: a byte order mark at the start of a value is part of the value.
const utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function withBuffer(buffer: NodeBuffer): Base64 {
  const scratch = buffer.alloc(SCRATCH_BYTES);
  return {
    encode: (bytes) => buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
    encodeText: (text) =>
      text.length > SCRATCH_BYTES / MOST_BYTES_A_CHARACTER
        ? buffer.from(text, 'utf8').toString('base64')
        : scratch.toString('base64', 0, scratch.write(text, 'utf8')),
    decode: (base64) => {
      const bytes = new Uint8Array(decodedLength(base64));
      buffer.from(bytes.buffer, 0, bytes.length).write(base64, 'base64');
      return bytes;
    },
    decodeText: (base64) =>
      base64.length > SCRATCH_BYTES
        ? buffer.from(base64, 'base64').toString('utf8')
        : scratch.toString('utf8', 0, scratch.write(base64, 'base64')),
    lengthOf: (text) => buffer.byteLength(text),
  };
}

function withAtob(): Base64 {
  const encode = (bytes: Uint8Array): string => {
    let binary = '';
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return btoa(binary);
  };
  const decode = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return {
    encode,
    encodeText: (text) => encode(utf8Encoder.encode(text)),
    decode,
    decodeText: (base64) => utf8Decoder.decode(decode(base64)),
    lengthOf: (text) => utf8Encoder.encode(text).length,
  };
}

function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}

const nodeBuffer = (globalThis as { Buffer?: unknown }).Buffer as NodeBuffer | undefined;
const base64: Base64 = nodeBuffer === undefined ? withAtob() : withBuffer(nodeBuffer);

/** Base64 of bytes, or of the UTF-8 form of text. */
export function toBase64(value: BytesLike): string {
  return typeof value === 'string' ? base64.encodeText(value) : base64.encode(value);
}

/** The bytes behind padded standard base64, which the codecs have checked. */
export const fromBase64 = base64.decode;

/** The UTF-8 text behind padded standard base64; bytes that are not UTF-8 become U+FFFD. */
export const textFromBase64 = base64.decodeText;

/** The UTF-8 form of text; bytes are returned as they are. */
export function toBytes(value: BytesLike): Uint8Array {
  return typeof value === 'string' ? utf8Encoder.encode(value) : value;
}

/** How many bytes it is sent as. */
export function byteLength(value: BytesLike): number {
  return typeof value === 'string' ? base64.lengthOf(value) : value.length;
}

/** Whether each character is one byte, and each byte was that character. */
export const isAscii = (text: string): boolean => byteLength(text) === text.length;

/** Bytes read as UTF-8 text; what is not UTF-8 becomes U+FFFD. */
export function toText(value: BytesLike): string {
  return typeof value === 'string' ? value : utf8Decoder.decode(value);
}

/**
 * True for what can be sent as a key or value: text that has a UTF-8 form, or bytes. Half of a surrogate pair has none; it would be sent as U+FFFD, under which
 * all such keys are the same. `instanceof` alone would refuse arrays of another realm.
 */
export function isBytesLike(value: unknown): value is BytesLike {
  return typeof value === 'string' ? value.isWellFormed() : Object.prototype.toString.call(value) === '[object Uint8Array]';
}
