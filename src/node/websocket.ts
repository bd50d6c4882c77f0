import type { Duplex } from 'node:stream';
import { Observable, type Observer } from 'rxjs';
import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { parseJson } from '../model/validate.js';
import { atEndOfTurn } from '../util/time.js';
import { type DuplexPart, type DuplexRequest, NO_WEBSOCKET, PARTIAL, responseTooLarge, WriteBatcher } from '../transport/http/transport.js';
import { ProtocolError, CODE, FrameReader, frameOf, OPCODE, type FrameObserver } from './websocketFrames.js';
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { connectionError } from './connectionError.js';
import { locationOf, targetOf } from '../transport/json/responseError.js';
import { connectionFor, type DuplexDeps } from './connection.js';

/** The headers of a request that a handshake does not need. */
const OWN_HEADERS = new Set(['content-type']);

/**
 * Opens a bidirectional stream over a WebSocket at the path of the RPC. Its frames contain messages in JSON. Since
 * versions 3.5.32 and 3.6.13, etcd's proxy accepts the token as a subprotocol.
 */
export function webSocketDuplex(
  { origin, endpoint = origin, path, headers, token, rpc, onLateOpen }: DuplexRequest,
  deps: DuplexDeps,
): Observable<DuplexPart> {
  return new Observable((subscriber) => {
    const where = { rpc, endpoint };
    const connection = connectionFor(origin, deps, false);
    let open: WebSocketStream | undefined;
    upgrade(
      connection.client,
      {
        path,
        headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name))),
        protocols: token === undefined ? [] : ['Bearer', token],
      },
      where,
      {
        opened: (socket) => {
          const isLate = subscriber.closed;
          open = new WebSocketStream(socket, deps.maxResponseBytes, where, subscriber);
          open.begin();
          if (!isLate) return;
          onLateOpen?.(open.send);
          open.leave();
        },
        failed: (error) => {
          subscriber.error(error);
          connection.destroy();
        },
      },
    );
    return () => {
      // The server may have accepted the handshake. If the connection ended now, the server might not notice the end.
      if (open === undefined && onLateOpen !== undefined) return connection.leave();
      if (open?.isOver !== false) return connection.destroy();
      const left = open;
      connection.leave(() => left.leave());
    };
  });
}

/** A request for a WebSocket. */
export interface UpgradeRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The subprotocols that the client offers. */
  readonly protocols: readonly string[];
}

/** Receives the outcome of a handshake. One of the functions is called, once. */
export interface UpgradeObserver {
  /** Called when the connection has become a WebSocket. */
  opened(socket: Duplex): void;
  /**
   * Called when the handshake failed. The error is `TransportUnsupported` if the server does not support WebSockets. It
   * has another reason if a later handshake may succeed.
   */
  failed(error: unknown): void;
}

/** A constant of the protocol, with which the server proves that it has understood the request (RFC 6455, 1.3). */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * Requests a WebSocket from a server (RFC 6455, 4.1). It offers no extensions, as decompressing a message would take
 * longer than sending it uncompressed.
 */
export function upgrade(client: Dispatcher, wanted: UpgradeRequest, where: ErrorDetails, observer: UpgradeObserver): void {
  const { path, headers, protocols } = wanted;
  const key = randomBytes(16).toString('base64');
  const own = { 'sec-websocket-version': '13', 'sec-websocket-key': key };
  const offered = protocols.length === 0 ? {} : { 'sec-websocket-protocol': protocols.join(', ') };
  client.dispatch(
    { method: 'GET', path, upgrade: 'websocket', headers: { ...headers, ...own, ...offered } },
    {
      onRequestStart: () => undefined,
      onRequestUpgrade: (_, status, response, socket) => {
        if (status === 101 && agrees(response, key, protocols)) return observer.opened(socket);
        socket.destroy();
        observer.failed(new EtcdError('TransportUnsupported', 'the response to the WebSocket handshake is not valid', where));
      },
      onResponseStart: (_, status, response) => {
        // This is an interim response. The final response follows.
        if (status < 200 && status !== 101) return;
        // The rest of the response is not needed, and may never end.
        observer.failed(refusal(status, response, where));
      },
      onResponseError: (_, error) => observer.failed(connectionError(error, false, where)),
    },
  );
}

function agrees(response: IncomingHttpHeaders, key: string, protocols: readonly string[]): boolean {
  const accepted = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  const protocol = response['sec-websocket-protocol'];
  return (
    String(response.upgrade).toLowerCase() === 'websocket' &&
    response['sec-websocket-accept'] === accepted &&
    response['sec-websocket-extensions'] === undefined &&
    (protocol === undefined || protocols.includes(protocol))
  );
}

function refusal(status: number, response: Parameters<typeof locationOf>[1], where: ErrorDetails): EtcdError {
  if (NO_WEBSOCKET.has(status)) {
    return new EtcdError(
      'TransportUnsupported',
      `the WebSocket handshake was refused with HTTP ${status}; does a proxy drop the header Upgrade?`,
      where,
    );
  }
  // A proxy responded in place of the server. The cause may be temporary or permanent. After several such responses in
  // a row, it counts as permanent.
  const target = targetOf(locationOf(status, response), where.endpoint);
  const whereTo = target === undefined ? '' : `, with a redirect to ${target}`;
  return new EtcdError('Unreachable', `HTTP ${status} in place of a WebSocket${whereTo}`, where);
}

const NOTHING = new Uint8Array(0);

/** A WebSocket after its handshake. undici no longer controls the connection. */
export class WebSocketStream implements FrameObserver {
  private readonly outgoing = new WriteBatcher(
    (text) => {
      if (this.state === 'open') this.write(OPCODE.text, Buffer.from(text, 'latin1'));
    },
    // `process.nextTick` is not used, as Node runs it after each timer. Many watches that are unsubscribed from would
    // then cause one frame each.
    atEndOfTurn,
  );
  private readonly frames: FrameReader;
  private state: 'open' | 'left' | 'over' = 'open';
  /** The payload of the last ping; undefined when its pong was sent. */
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
    // After an error, the event `close` follows, which ends the stream.
    socket.on('error', () => undefined);
    socket.on('close', () => this.end(lost(CODE.unclean, this.where)));
    // If a server ends the connection without a close frame, the stream ends as well.
    socket.on('end', () => socket.destroy());
    socket.on('drain', () => this.pong());
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    this.observer.next({ type: 'open', send: this.send });
  }

  /** Sends a message at the end of the turn, together with the other messages of the turn. */
  get send(): (message: string) => void {
    return this.outgoing.send;
  }

  /** Whether the stream has ended, so that nothing can be sent. */
  get isOver(): boolean {
    return this.state !== 'open' || this.socket.destroyed;
  }

  /** Sends the waiting messages and a close frame. Later messages are read, but not emitted. */
  leave(): void {
    // The messages are sent together with the close frame. etcd must receive the end before it has responded to the
    // last message.
    this.socket.cork();
    this.outgoing.flush();
    this.state = 'left';
    this.write(OPCODE.close, NOTHING);
    this.socket.uncork();
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
    const { completed } = this.frames;
    try {
      this.frames.push(chunk);
    } catch (error) {
      return this.giveUp(error);
    }
    if (this.frames.completed === completed && this.frames.withinMessage && this.state === 'open') this.observer.next(PARTIAL);
    this.pong();
  }

  /**
   * Sends a pong for the last ping only, as the standard allows, and only while the server reads. Without these limits,
   * a server that sends only pings could fill the memory with pongs.
   */
  private pong(): void {
    const { pinged } = this;
    if (pinged === undefined || this.state !== 'open' || this.socket.writableNeedDrain) return;
    this.pinged = undefined;
    this.write(OPCODE.pong, pinged);
  }

  private giveUp(error: unknown): void {
    if (this.state === 'left') {
      // The connection is not destroyed, as the last messages may not have been transmitted yet.
      this.state = 'over';
      this.socket.end();
      return;
    }
    if (!(error instanceof ProtocolError)) return this.end(error);
    const { code, message } = error;
    this.write(OPCODE.close, Uint8Array.of(code >> 8, code & 0xff));
    this.socket.destroy();
    this.end(code === CODE.tooLarge ? responseTooLarge(this.where) : new EtcdError('MalformedResponse', message, this.where));
  }

  private end(error: unknown): void {
    this.state = 'over';
    // Without a subscriber, the call has no effect.
    this.observer.error(error);
  }

  private write(opcode: number, payload: Uint8Array): void {
    if (this.socket.writable) this.socket.write(frameOf(opcode, payload));
  }
}

const lost = (code: number, where: ErrorDetails): EtcdError =>
  new EtcdError('ConnectionLost', `the stream ended (WebSocket code ${code})`, where);
