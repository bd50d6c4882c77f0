import { EtcdError, type ErrorDetails } from '../errors/index.js';
import { joinBytes } from './bytes.js';
import { isRecord } from './validate.js';

const NEWLINE = 0x0a;

// The decoder is created on first use, as importing the package must not require the class.
let decoder: InstanceType<typeof TextDecoder> | undefined;

/**
 * Splits a stream of bytes into the JSON objects in it. The chunks may be cut anywhere, even within an escape or a
 * character of several bytes.
 *
 * Since version 3.3, etcd ends each object with a newline; etcd 3.2 puts nothing between objects. If a newline follows
 * the first object, the stream is split at newlines. JavaScript engines find newlines many times faster than this code
 * can count braces and quotes. If a line is not one whole object, as with JSON on several lines, the rest of the stream
 * is split by braces. Each byte is copied at most once. So the time is linear, even for 22 MB in a thousand chunks.
 */
export class JsonStream {
  /** The chunks of an incomplete object, and their length. */
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private readonly ends = new ObjectScanner();
  /** The way in which the stream is split. It is unknown until data follows the first complete object. */
  private mode: 'unknown' | 'lines' | 'braces' = 'unknown';

  /**
   * @param maxBytes the maximum length of an object, in bytes
   * @param where the details of errors
   */
  constructor(
    private readonly maxBytes: number,
    private readonly where: ErrorDetails = {},
    /** The name of the option with the maximum, for the error. */
    private readonly option = 'maxResponseBytes',
  ) {}

  /**
   * Takes the next chunk, and returns the objects that are complete now. The chunk is kept until its last object is
   * complete.
   *
   * @throws EtcdError `MalformedResponse` if the stream is not a sequence of JSON objects, or `ResponseTooLarge`. Do
   * not use this object afterwards.
   */
  push(chunk: Uint8Array): unknown[] {
    const complete: unknown[] = [];
    if (this.mode === 'lines') this.pushLines(chunk, complete);
    else this.pushBraces(chunk, complete);
    return complete;
  }

  /**
   * Ends the stream.
   * @returns the last object, if no newline has followed it
   * @throws EtcdError `MalformedResponse` if the stream ends within an object
   */
  end(): unknown[] {
    const complete: unknown[] = [];
    if (this.mode === 'lines') this.unline(this.take(), complete);
    if (this.ends.within) throw this.malformed('it ends in the middle of a message', this.take());
    return complete;
  }

  private pushLines(chunk: Uint8Array, complete: unknown[]): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = this.take(chunk.subarray(start, end));
      start = end + 1;
      if (line.length === 0) continue;
      const value = parse(line);
      if (!isRecord(value)) {
        this.unline(line, complete);
        return this.pushBraces(chunk.subarray(start), complete);
      }
      complete.push(value);
    }
    if (start < chunk.length) this.keep(chunk.subarray(start));
  }

  /**
   * Splits the stream by braces from a given line on. The line is not one whole object, so newlines do not separate the
   * objects of this stream.
   */
  private unline(line: Uint8Array, complete: unknown[]): void {
    this.mode = 'braces';
    this.pushBraces(line, complete);
  }

  private pushBraces(chunk: Uint8Array, complete: unknown[]): void {
    let index = 0;
    while (index < chunk.length) {
      if (!this.ends.within) {
        const byte = chunk[index] ?? 0;
        if (byte === NEWLINE && this.mode === 'unknown' && this.ends.seen > 0) {
          this.mode = 'lines';
          return this.pushLines(chunk.subarray(index + 1), complete);
        }
        if (byte <= SPACE) {
          index += 1;
          continue;
        }
        // There is no newline before this object, so newlines do not separate the objects of this stream.
        if (this.ends.seen > 0) this.mode = 'braces';
        if (byte !== OPEN_BRACE) throw this.malformed('it is not JSON', chunk.subarray(index));
      }
      const end = this.ends.next(chunk, index);
      const part = chunk.subarray(index, end);
      index = end;
      if (this.ends.within) this.keep(part);
      else complete.push(this.parseWhole(this.take(part)));
    }
  }

  /** Keeps a part of an object until the rest of the object has arrived. */
  private keep(part: Uint8Array): void {
    this.pendingBytes += part.length;
    if (this.pendingBytes > this.maxBytes) throw this.tooLarge();
    this.pending.push(part);
  }

  /** Returns the kept parts, and the last part, as one array. */
  private take(last?: Uint8Array): Uint8Array {
    if (this.pendingBytes + (last?.length ?? 0) > this.maxBytes) throw this.tooLarge();
    if (this.pending.length === 0) return last ?? new Uint8Array(0);
    const parts = last === undefined ? this.pending : [...this.pending, last];
    this.pending = [];
    this.pendingBytes = 0;
    return joinBytes(parts);
  }

  /**
   * Parses a complete object.
   *
   * @throws EtcdError without the engine's message, as that message quotes text which may be secret
   */
  private parseWhole(bytes: Uint8Array): unknown {
    const value = parse(bytes);
    if (value === undefined) throw this.malformed('it is not valid JSON', bytes);
    return value;
  }

  private malformed(problem: string, bytes: Uint8Array): EtcdError {
    // The bytes are copied, as the owner of a chunk may reuse its memory.
    return new EtcdError('MalformedResponse', `the response cannot be read: ${problem}`, { ...this.where, bytes: new Uint8Array(bytes) });
  }

  private tooLarge(): EtcdError {
    return new EtcdError('ResponseTooLarge', `a JSON object is longer than the option ${this.option} allows`, this.where);
  }
}

const SPACE = 0x20;
const OPEN_BRACE = 0x7b;

/** Parses JSON. Returns undefined if the text is not JSON. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse((decoder ??= new TextDecoder('utf-8', { fatal: true })).decode(bytes));
  } catch {
    return undefined;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CLOSE_BRACE = 0x7d;

/**
 * Finds the ends of JSON objects by their braces and strings, in one chunk after the other. It does not check the
 * content of the objects.
 */
export class ObjectScanner {
  /** The number of objects that have ended. */
  seen = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;

  /** Whether the bytes so far end inside of an object. */
  get within(): boolean {
    return this.depth > 0;
  }

  /**
   * Returns the index after the object that begins or continues at `from`. If the object does not end in this chunk,
   * returns the length of the chunk.
   */
  next(chunk: Uint8Array, from: number): number {
    let index = from;
    while (index < chunk.length) {
      if (this.inString) {
        index = this.skipString(chunk, index);
        continue;
      }
      const byte = chunk[index];
      index += 1;
      if (byte === QUOTE) this.inString = true;
      else if (byte === OPEN_BRACE) this.depth += 1;
      else if (byte === CLOSE_BRACE) {
        this.depth -= 1;
        if (this.depth === 0) {
          this.seen += 1;
          return index;
        }
      }
    }
    return index;
  }

  /**
   * Returns the index after the string's closing quote, or the length of the chunk. Most bytes of a response are base64
   * in strings, so the speed of this loop matters most.
   */
  private skipString(chunk: Uint8Array, from: number): number {
    let index = from;
    if (this.escaped) {
      this.escaped = false;
      index += 1;
    }
    while (index < chunk.length) {
      const byte = chunk[index];
      if (byte === QUOTE) {
        this.inString = false;
        return index + 1;
      }
      if (byte === BACKSLASH) {
        if (index + 1 === chunk.length) this.escaped = true;
        index += 1;
      }
      index += 1;
    }
    return chunk.length;
  }
}
