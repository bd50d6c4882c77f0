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

/** The frames in what a server sends, however it is cut. Each byte is copied at most once. */
export class FrameReader {
  /** What has come of a frame that is not whole. */
  private chunks: Buffer[] = [];
  private bytes = 0;
  /** No use looking again before there are so many. */
  private needed = 2;
  /** What has come of a message that is sent in several frames. */
  private parts: Buffer[] | undefined;
  private partBytes = 0;

  /** @param maxBytes how long a message may be */
  constructor(
    private readonly maxBytes: number,
    private readonly observer: FrameObserver,
  ) {}

  /** @throws BadFrame; it is of no use afterwards. */
  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes < this.needed) return;
    const bytes = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks, this.bytes);
    let at = 0;
    for (let end = this.endOf(bytes, at); end <= bytes.length; end = this.endOf(bytes, at)) {
      this.read(bytes, at, end);
      at = end;
    }
    this.chunks = at === bytes.length ? [] : [bytes.subarray(at)];
    this.bytes = bytes.length - at;
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
      if (opcode > OPCODE.binary || (opcode === OPCODE.continuation) !== (this.parts !== undefined)) throw new BadFrame(CODE.protocolError);
      if (this.partBytes + length > this.maxBytes) throw new BadFrame(CODE.tooLarge);
    }
    return length;
  }

  private read(bytes: Buffer, at: number, end: number): void {
    const first = bytes.readUInt8(at);
    const payload = bytes.subarray(at + headBytes(bytes.readUInt8(at + 1)), end);
    switch (first & 0x0f) {
      case OPCODE.ping:
        return this.observer.ping(payload);
      case OPCODE.pong:
        return;
      case OPCODE.close:
        return this.observer.close(codeIn(payload));
      default:
        return this.take(payload, (first & FINAL) !== 0);
    }
  }

  private take(payload: Buffer, final: boolean): void {
    if (final && this.parts === undefined) return this.observer.message(textOf(payload));
    const parts = (this.parts ??= []);
    parts.push(payload);
    this.partBytes += payload.length;
    if (!final) return;
    this.parts = undefined;
    this.partBytes = 0;
    this.observer.message(textOf(Buffer.concat(parts)));
  }
}

/** The length that stands there. Of a server's frame: one that is masked has no place here. */
function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt8(at);
  if (length >= MASKED) throw new BadFrame(CODE.protocolError);
  if (length === LENGTH_16) return bytes.readUInt16BE(at + 1);
  return length === LENGTH_64 ? Number(bytes.readBigUInt64BE(at + 1)) : length;
}

function codeIn(payload: Buffer): number {
  if (payload.length === 1) throw new BadFrame(CODE.protocolError);
  return payload.length === 0 ? CODE.none : payload.readUInt16BE(0);
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** What etcd says is ASCII but for names and keys within errors, and that is read four times as fast. */
function textOf(bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString('latin1');
  try {
    return decoder.decode(bytes);
  } catch {
    throw new BadFrame(CODE.invalidText);
  }
}
