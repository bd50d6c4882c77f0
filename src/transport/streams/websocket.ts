import type { Duplex } from 'node:stream';
import type { Observer } from 'rxjs';
import { EtcdError, type ErrorDetails } from '../../errors/index.js';
import { responseTooLarge } from '../http/body.js';
import { parseJson } from '../parseJson.js';
import type { DuplexPart } from '../http/transport.js';
import { BadFrame, CODE, FrameReader, frameOf, OPCODE, type FrameObserver } from './websocketFrames.js';
import { Outgoing } from '../carriers/outgoing.js';

const NOTHING = new Uint8Array(0);

/** A WebSocket after its handshake. undici has no hand on its connection any more. */
export class OpenSocket implements FrameObserver {
  private readonly outgoing = new Outgoing((text) => {
    if (this.state === 'open') this.write(OPCODE.text, Buffer.from(text, 'latin1'));
  });
  private readonly frames: FrameReader;
  private state: 'open' | 'left' | 'over' = 'open';
  /** What the last ping said that was not answered. */
  private pinged: Uint8Array | undefined;

  constructor(
    private readonly socket: Duplex,
    maxMessageBytes: number,
    private readonly where: ErrorDetails,
    private readonly observer: Observer<DuplexPart>,
  ) {
    this.frames = new FrameReader(maxMessageBytes, this);
  }

  begin(): void {
    const { socket } = this;
    // Behind an error the end follows by itself.
    socket.on('error', () => undefined);
    socket.on('close', () => this.end(lost(CODE.unclean, this.where)));
    // A server that says no more, and not that it has ended, has ended.
    socket.on('end', () => socket.destroy());
    socket.on('drain', () => this.pong());
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    this.observer.next({ type: 'open', send: this.outgoing.send });
  }

  /** Whether nothing can be said on it any more. */
  get isOver(): boolean {
    return this.state !== 'open' || this.socket.destroyed;
  }

  /** Says what is to be said at last, and that this is the end. What still comes is read, but told to nobody. */
  leave(): void {
    // In one go: etcd must know of the end before it has answered what was said just before it.
    this.outgoing.flush();
    this.state = 'left';
    this.write(OPCODE.close, NOTHING);
  }

  message(text: string): void {
    if (this.state === 'open') this.observer.next({ type: 'message', json: parseJson(text, this.where) });
  }

  ping(payload: Uint8Array): void {
    this.pinged = Uint8Array.from(payload);
  }

  close(code: number): void {
    if (this.state === 'open') this.write(OPCODE.close, NOTHING);
    this.socket.end();
    this.end(lost(code, this.where));
  }

  private read(chunk: Buffer): void {
    if (this.state === 'over') return;
    try {
      this.frames.push(chunk);
    } catch (error) {
      return this.giveUp(error);
    }
    this.pong();
  }

  /** Answers the last ping alone, as it may, and when the other end reads: one that only asks could fill our memory with answers. */
  private pong(): void {
    const { pinged } = this;
    if (pinged === undefined || this.state !== 'open' || this.socket.writableNeedDrain) return;
    this.pinged = undefined;
    this.write(OPCODE.pong, pinged);
  }

  private giveUp(error: unknown): void {
    if (this.state === 'left') {
      // Its last words may be on their way still.
      this.state = 'over';
      this.socket.end();
      return;
    }
    if (!(error instanceof BadFrame)) return this.end(error);
    const { code, message } = error;
    this.write(OPCODE.close, Uint8Array.of(code >> 8, code & 0xff));
    this.socket.destroy();
    this.end(code === CODE.tooLarge ? responseTooLarge(this.where) : new EtcdError('MalformedResponse', message, this.where));
  }

  private end(error: unknown): void {
    this.state = 'over';
    // Tells nobody where it was left.
    this.observer.error(error);
  }

  private write(opcode: number, payload: Uint8Array): void {
    if (this.socket.writable) this.socket.write(frameOf(opcode, payload));
  }
}

const lost = (code: number, where: ErrorDetails): EtcdError =>
  new EtcdError('ConnectionLost', `the stream ended (WebSocket code ${code})`, where);
