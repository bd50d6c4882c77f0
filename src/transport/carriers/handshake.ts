import { createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { EtcdError, type ErrorDetails } from '../../errors/index.js';
import { connectionError } from '../http/connectionError.js';

/** What is asked for. */
export interface Wanted {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The subprotocols that are offered. */
  readonly protocols: readonly string[];
}

/** One who asked for a WebSocket, and is told once. */
export interface HandshakeObserver {
  /** The connection is one now. */
  opened(socket: Duplex): void;
  /** There is none: `CarrierUnusable` where the other end refuses, which may not be so of one that did not answer. */
  failed(error: unknown): void;
}

/** By RFC 6455, 1.3: what shows that the other end knows what was asked for. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Asks a server for a WebSocket (RFC 6455, 4.1). No extensions are offered: what is compressed takes longer to read than to send. */
export function shakeHands(client: Dispatcher, wanted: Wanted, where: ErrorDetails, observer: HandshakeObserver): void {
  const { path, headers, protocols } = wanted;
  const key = randomBytes(16).toString('base64');
  const own = { 'sec-websocket-version': '13', 'sec-websocket-key': key };
  const offered = protocols.length === 0 ? {} : { 'sec-websocket-protocol': protocols.join(', ') };
  client.dispatch(
    { method: 'GET', path, upgrade: 'websocket', headers: { ...headers, ...own, ...offered } },
    {
      onRequestStart: () => undefined,
      onRequestUpgrade: (_, status, answer, socket) => {
        if (status === 101 && agrees(answer, key, protocols)) return observer.opened(socket);
        socket.destroy();
        observer.failed(new EtcdError('CarrierUnusable', 'the answer to the WebSocket handshake is none', where));
      },
      onResponseStart: (_, status) => {
        // Some say that the answer is on its way.
        if (status < 200 && status !== 101) return;
        // What else it says does not matter, and might have no end.
        observer.failed(refusal(status, where));
      },
      onResponseError: (_, error) => observer.failed(connectionError(error, false, where)),
    },
  );
}

function agrees(answer: IncomingHttpHeaders, key: string, protocols: readonly string[]): boolean {
  const accepted = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  const protocol = answer['sec-websocket-protocol'];
  return (
    String(answer.upgrade).toLowerCase() === 'websocket' &&
    answer['sec-websocket-accept'] === accepted &&
    answer['sec-websocket-extensions'] === undefined &&
    (protocol === undefined || protocols.includes(protocol))
  );
}

function refusal(status: number, where: ErrorDetails): EtcdError {
  // Something before the server that does not reach it just now.
  if (status >= 500) return new EtcdError('Unreachable', `HTTP ${status} in place of a WebSocket`, where);
  return new EtcdError('CarrierUnusable', `the WebSocket handshake was refused with HTTP ${status}`, where);
}
