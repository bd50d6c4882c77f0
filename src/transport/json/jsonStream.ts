import { EtcdError, type ErrorDetails } from '../../errors/index.js';
import { responseTooLarge } from '../http/body.js';
import { ObjectEnds } from '../objectEnds.js';

const NEWLINE = 0x0a;

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Splits a stream of bytes into the JSON objects in it, wherever the chunks are cut: within an escape, within a character of several bytes.
 *
 * etcd from 3.3 on ends each object with a newline; 3.2 puts nothing between them. Once a newline was seen behind an object, the stream is split
 * at newlines, which the engine finds many times faster than we can follow braces and quotes; should a line turn out not to be one object (JSON spread
 * over several lines, say), the braces decide from there on. Each byte is copied at most once, so that 22 MB in a thousand chunks take linear time.
 */
export class JsonStream {
  /** Chunks of what is not complete yet, and their length. */
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private readonly ends = new ObjectEnds();
  /** `unknown` until the first object is complete and something follows it. */
  private mode: 'unknown' | 'lines' | 'braces' = 'unknown';

  /**
   * @param maxBytes how long an object may be
   * @param where what errors say they are of
   */
  constructor(
    private readonly maxBytes: number,
    private readonly where: ErrorDetails = {},
  ) {}

  /**
   * Takes the next chunk; gives the objects that it completes. The chunk is kept until its last object is complete.
   *
   * @throws EtcdError `MalformedResponse` for anything that is not a sequence of JSON objects, `ResponseTooLarge`; the stream is of no use afterwards.
   */
  push(chunk: Uint8Array): unknown[] {
    const complete: unknown[] = [];
    if (this.mode === 'lines') this.pushLines(chunk, complete);
    else this.pushBraces(chunk, complete);
    return complete;
  }

  /**
   * Call at the end of the stream. @returns the last object, where no newline came after it
   * @throws EtcdError `MalformedResponse` where it ends within an object.
   */
  end(): unknown[] {
    const complete: unknown[] = [];
    if (this.mode === 'lines') this.unline(this.take(), complete);
    if (this.ends.within) throw this.malformed('it ends in the middle of a message');
    return complete;
  }

  private pushLines(chunk: Uint8Array, complete: unknown[]): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = this.take(chunk.subarray(start, end));
      start = end + 1;
      if (line.length === 0) continue;
      const value = parse(line);
      if (!isObject(value)) {
        this.unline(line, complete);
        return this.pushBraces(chunk.subarray(start), complete);
      }
      complete.push(value);
    }
    if (start < chunk.length) this.keep(chunk.subarray(start));
  }

  /** A line is not one object, so newlines are not what parts the objects of this stream. */
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
        // What stands here without a newline before it has none to expect.
        if (this.ends.seen > 0) this.mode = 'braces';
        if (byte !== OPEN_BRACE) throw this.malformed('it is not JSON');
      }
      const end = this.ends.next(chunk, index);
      const part = chunk.subarray(index, end);
      index = end;
      if (this.ends.within) this.keep(part);
      else complete.push(this.parseWhole(this.take(part)));
    }
  }

  /** For when the rest of it has come. */
  private keep(part: Uint8Array): void {
    this.pendingBytes += part.length;
    if (this.pendingBytes > this.maxBytes) throw responseTooLarge(this.where);
    this.pending.push(part);
  }

  /** What was kept, with its last part. */
  private take(last?: Uint8Array): Uint8Array {
    if (this.pendingBytes + (last?.length ?? 0) > this.maxBytes) throw responseTooLarge(this.where);
    if (this.pending.length === 0) return last ?? new Uint8Array(0);
    const parts = last === undefined ? this.pending : [...this.pending, last];
    this.pending = [];
    this.pendingBytes = 0;
    return join(parts);
  }

  /** @throws EtcdError without the engine's message, which quotes the text: it may hold what is nobody's business */
  private parseWhole(bytes: Uint8Array): unknown {
    const value = parse(bytes);
    if (value === undefined) throw this.malformed('it is not valid JSON');
    return value;
  }

  private malformed(problem: string): EtcdError {
    return new EtcdError('MalformedResponse', `the answer cannot be read: ${problem}`, this.where);
  }
}

const SPACE = 0x20;
const OPEN_BRACE = 0x7b;

/** Undefined where it is not JSON. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
