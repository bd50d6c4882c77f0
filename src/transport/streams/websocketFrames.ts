import { isAscii } from 'node:buffer';
import { randomBytes } from 'node:crypto';

/** What a frame of a WebSocket is, as it says in its first byte (RFC 6455, 5.2). */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Why a WebSocket is given up, or ended (RFC 6455, 7.4.1). */
export const CODE = { protocolError: 1002, none: 1005, unclean: 1006, invalidText: 1007, tooLarge: 1009 } as const;

/** What came is no frame, or none that this side takes: `code` says so to the other end. */
export class BadFrame extends Error {
  override readonly name = 'BadFrame';

  constructor(readonly code: number) {
    super(`what came is no message of a WebSocket (code ${code})`);
  }
}

const FINAL = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** The length itself follows, in so many bytes. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** The longest payload of a frame that is no part of a message, and of one whose length stands in its second byte. */
const SHORT = 125;

/** A frame of a client: whole, and masked, as all that a client sends has to be. */
export function frameOf(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const head = headBytes(length <= SHORT ? length : length <= 0xffff ? LENGTH_16 : LENGTH_64);
  const frame = Buffer.allocUnsafe(head + MASK_BYTES + length);
  frame[0] = FINAL | opcode;
  frame[1] = MASKED | (head === 2 ? length : head === 4 ? LENGTH_16 : LENGTH_64);
  if (head === 4) frame.writeUInt16BE(length, 2);
  if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2);
  const mask = randomBytes(MASK_BYTES);
  frame.set(mask, head);
  for (let index = 0; index < length; index++) {
    frame[head + MASK_BYTES + index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0);
  }
  return frame;
}

/** How long the head of a frame is that has this in its second byte. */
const headBytes = (length: number): number => (length === LENGTH_16 ? 4 : length === LENGTH_64 ? 10 : 2);

/** One who is told what a server says. */
export interface FrameObserver {
  message(text: string): void;
  ping(payload: Uint8Array): void;
  /** The server says that it ends, with a code where it gives one. */
  close(code: number): void;
}

/** Bytes that come piece by piece, in one buffer. A list would hold the chunk of each, of which it may be a byte or none. */
class Pile {
  private buffer = Buffer.alloc(0);
  length = 0;

  add(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, 2 * this.buffer.length));
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    this.buffer.set(bytes, this.length);
    this.length = length;
  }

  /** All of it, these at the end; it is empty then. */
  takeWith(bytes: Uint8Array): Buffer {
    this.add(bytes);
    const taken = this.buffer.subarray(0, this.length);
    this.buffer = Buffer.alloc(0);
    this.length = 0;
    return taken;
  }
}

/** The frames in what a server sends, however it is cut, up to its close. */
export class FrameReader {
  /** What has come of a frame that is not whole. */
  private readonly begun = new Pile();
  /** No use looking again before there are so many bytes. */
  private needed = 2;
  /** What has come of a message that is sent in several frames, while it is. */
  private readonly parts = new Pile();
  private inParts = false;

  /** @param maxBytes how long a message may be */
  constructor(
    private readonly maxBytes: number,
    private readonly observer: FrameObserver,
  ) {}

  /** @throws BadFrame; it is of no use afterwards, nor after a close. */
  push(chunk: Buffer): void {
    if (this.begun.length + chunk.length < this.needed) return this.begun.add(chunk);
    const bytes = this.begun.length === 0 ? chunk : this.begun.takeWith(chunk);
    let at = 0;
    for (let end = this.endOf(bytes, at); end <= bytes.length; end = this.endOf(bytes, at)) {
      const goesOn = this.read(bytes, at, end);
      if (!goesOn) return;
      at = end;
    }
    this.begun.add(bytes.subarray(at));
  }

  /** Where the frame ends that begins there, as far as that can be told yet. */
  private endOf(bytes: Buffer, at: number): number {
    const known = bytes.length - at;
    this.needed = 2;
    if (known >= 2) this.needed = headBytes(bytes.readUInt8(at + 1));
    if (known >= 2 && known >= this.needed) this.needed += this.payloadBytes(bytes, at);
    return at + this.needed;
  }

  /** Of a frame whose head is there. What must not be is found before its payload is waited for. */
  private payloadBytes(bytes: Buffer, at: number): number {
    const first = bytes.readUInt8(at);
    const length = lengthAt(bytes, at + 1);
    if ((first & RESERVED) !== 0) throw new BadFrame(CODE.protocolError);
    const opcode = first & 0x0f;
    if (opcode >= OPCODE.close) {
      if (opcode > OPCODE.pong || length > SHORT || (first & FINAL) === 0) throw new BadFrame(CODE.protocolError);
    } else {
      if (opcode > OPCODE.binary || (opcode === OPCODE.continuation) !== this.inParts) throw new BadFrame(CODE.protocolError);
      if (this.parts.length + length > this.maxBytes) throw new BadFrame(CODE.tooLarge);
    }
    return length;
  }

  /** @returns whether there may be more: not after a close */
  private read(bytes: Buffer, at: number, end: number): boolean {
    const first = bytes.readUInt8(at);
    const opcode = first & 0x0f;
    const payload = bytes.subarray(at + headBytes(bytes.readUInt8(at + 1)), end);
    if (opcode === OPCODE.close) this.observer.close(codeIn(payload));
    else if (opcode === OPCODE.ping) this.observer.ping(payload);
    else if (opcode !== OPCODE.pong) this.take(payload, (first & FINAL) !== 0);
    return opcode !== OPCODE.close;
  }

  private take(payload: Buffer, final: boolean): void {
    const bytes = final && this.inParts ? this.parts.takeWith(payload) : payload;
    this.inParts = !final;
    if (!final) this.parts.add(payload);
    else this.observer.message(textOf(bytes));
  }
}

/** The length that stands there. Of a server's frame: one that is masked has no place here. */
function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt8(at);
  if (length >= MASKED) throw new BadFrame(CODE.protocolError);
  if (length === LENGTH_16) return bytes.readUInt16BE(at + 1);
  return length === LENGTH_64 ? Number(bytes.readBigUInt64BE(at + 1)) : length;
}

/** Those that say that there was none are not for the wire (RFC 6455, 7.4). */
const NOT_SAID: ReadonlySet<number> = new Set([1004, CODE.none, CODE.unclean, 1015]);

function codeIn(payload: Buffer): number {
  if (payload.length === 0) return CODE.none;
  const code = payload.length === 1 ? 0 : payload.readUInt16BE(0);
  if (code < 1000 || code >= 5000 || NOT_SAID.has(code)) throw new BadFrame(CODE.protocolError);
  return code;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What etcd says is ASCII but for names and keys within errors, and that is read four times as fast. */
function textOf(bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString('latin1');
  try {
    return decoder.decode(bytes);
  } catch {
    throw new BadFrame(CODE.invalidText);
  }
}
