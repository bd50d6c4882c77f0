/**
 * Converts bytes, UTF-8 and base64 on any JavaScript runtime. `Buffer` is used if it exists, as it is several times
 * faster than all other functions of Node 20 to 24. Browsers use `atob` and `btoa`. In both cases the result is a plain
 * `Uint8Array` with its own memory. A `Buffer` from Node's pool would expose other buffers through `.buffer`.
 */

/** A key or a value: text, which is sent as UTF-8, or bytes. */
export type BytesLike = string | Uint8Array;

interface ByteCodec {
  readonly encode: (bytes: Uint8Array) => string;
  readonly encodeText: (text: string) => string;
  readonly decode: (base64: string) => Uint8Array;
  readonly decodeText: (base64: string) => string;
  /** Decodes UTF-8 bytes of any length. It is used for text that may be long. */
  readonly decodeLong: (bytes: Uint8Array) => string;
  /** The number of bytes of the UTF-8 form. */
  readonly lengthOf: (text: string) => number;
}

interface NodeBuffer {
  from(data: string, encoding: 'utf8' | 'base64'): NodeBuffer;
  from(data: ArrayBufferLike, offset: number, length: number): NodeBuffer;
  alloc(size: number): NodeBuffer;
  write(text: string, encoding: 'utf8' | 'base64'): number;
  set(bytes: Uint8Array): void;
  subarray(start: number, end: number): Uint8Array;
  toString(encoding: 'utf8' | 'base64', start?: number, end?: number): string;
  byteLength(text: string): number;
}

/**
 * The size of the scratch memory. Values that fit are encoded and decoded there, which saves an allocation for each
 * value. For short bytes, copying is several times faster than creating a view.
 */
const SCRATCH_BYTES = 16_384;
/** The maximum number of UTF-8 bytes for one UTF-16 unit of text. */
const MAX_BYTES_A_CHARACTER = 3;

// These are created on first use, as importing the package must not require the classes: jsdom has neither of them.
let encoder: InstanceType<typeof TextEncoder> | undefined;
let decoder: InstanceType<typeof TextDecoder> | undefined;

const encodeUtf8 = (text: string): Uint8Array => (encoder ??= new TextEncoder()).encode(text);
// `ignoreBOM` keeps a byte order mark at the start of a value, as it is part of the value.
const decodeUtf8 = (bytes: Uint8Array): string => (decoder ??= new TextDecoder('utf-8', { ignoreBOM: true })).decode(bytes);

function withBuffer(buffer: NodeBuffer): ByteCodec {
  const scratch = buffer.alloc(SCRATCH_BYTES);
  return {
    encode: (bytes) => {
      if (bytes.length > SCRATCH_BYTES) return buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
      scratch.set(bytes);
      return scratch.toString('base64', 0, bytes.length);
    },
    encodeText: (text) =>
      text.length > SCRATCH_BYTES / MAX_BYTES_A_CHARACTER
        ? buffer.from(text, 'utf8').toString('base64')
        : scratch.toString('base64', 0, scratch.write(text, 'utf8')),
    decode: (base64) => {
      if (base64.length <= SCRATCH_BYTES) return new Uint8Array(scratch.subarray(0, scratch.write(base64, 'base64')));
      const bytes = new Uint8Array(decodedLength(base64));
      buffer.from(bytes.buffer, 0, bytes.length).write(base64, 'base64');
      return bytes;
    },
    decodeText: (base64) =>
      base64.length > SCRATCH_BYTES
        ? buffer.from(base64, 'base64').toString('utf8')
        : scratch.toString('utf8', 0, scratch.write(base64, 'base64')),
    decodeLong: (bytes) => buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
    lengthOf: (text) => buffer.byteLength(text),
  };
}

function withAtob(): ByteCodec {
  const encode = (bytes: Uint8Array): string => {
    let binary = '';
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return btoa(binary);
  };
  const decode = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return {
    encode,
    encodeText: (text) => encode(encodeUtf8(text)),
    decode,
    decodeText: (base64) => decodeUtf8(decode(base64)),
    decodeLong: decodeUtf8,
    lengthOf: (text) => encodeUtf8(text).length,
  };
}

function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}

const nodeBuffer = (globalThis as { Buffer?: unknown }).Buffer as NodeBuffer | undefined;
const codec: ByteCodec = nodeBuffer === undefined ? withAtob() : withBuffer(nodeBuffer);

/** Returns the base64 of bytes, or of the UTF-8 form of text. */
export function toBase64(value: BytesLike): string {
  return typeof value === 'string' ? codec.encodeText(value) : codec.encode(value);
}

/** Decodes padded standard base64 to bytes. The codecs have already checked the text. */
export const fromBase64 = codec.decode;

/** Decodes padded standard base64 to UTF-8 text. Bytes that are not UTF-8 become U+FFFD. */
export const textFromBase64 = codec.decodeText;

/** Returns the UTF-8 form of text; bytes are returned as they are. */
export function toBytes(value: BytesLike): Uint8Array {
  return typeof value === 'string' ? encodeUtf8(value) : value;
}

/** Returns the number of bytes of a value as it is sent. */
export function byteLength(value: BytesLike): number {
  return typeof value === 'string' ? codec.lengthOf(value) : value.length;
}

/** Returns whether text is ASCII. Each character is then one byte in UTF-8. */
export const isAscii = (text: string): boolean => byteLength(text) === text.length;

/** Reads bytes as UTF-8 text; bytes that are not UTF-8 become U+FFFD. */
export function toText(value: BytesLike): string {
  return typeof value === 'string' ? value : decodeUtf8(value);
}

/**
 * Decodes UTF-8 bytes of any length. It is used for text that may be long. On Node it takes half the time of
 * {@link toText}.
 */
export const longText = codec.decodeLong;

/** Joins parts. Each part is copied once. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * Returns whether a value can be sent as a key or value: text that has a UTF-8 form, or bytes. Text with half of a
 * surrogate pair has no such form. It would be sent with U+FFFD, so that different keys would become the same key.
 */
export function isBytesLike(value: unknown): value is BytesLike {
  return typeof value === 'string' ? value.isWellFormed() : isBytes(value);
}

/**
 * Returns whether a value is a `Uint8Array`. `instanceof` alone would reject arrays of another realm. The tag of a
 * value is read only if needed, as this takes as long as all other handling of the value.
 */
export const isBytes = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array || Object.prototype.toString.call(value) === '[object Uint8Array]';

/**
 * Copies bytes, so that later changes by the caller have no effect. Any other value is returned as it is. The function
 * never throws: invalid values are rejected later, when they are checked.
 */
export function capturedBytes<T>(given: T): T | Uint8Array {
  if (typeof given !== 'object') return given;
  try {
    return isBytes(given) ? new Uint8Array(given) : given;
  } catch {
    return given;
  }
}
