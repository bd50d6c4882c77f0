import { Observable } from 'rxjs';
import { WebSocket } from 'undici';
import { EtcdError, type ErrorDetails } from '../../errors/index.js';
import { responseTooLarge } from '../body.js';
import { parseJson } from '../parseJson.js';
import type { DuplexPart, DuplexRequest } from '../transport.js';
import { connectionFor, type Carrying } from './connection.js';
import { handshakeOver } from './handshake.js';
import { Outgoing } from './outgoing.js';

/** Headers that a handshake sets by itself. */
const OWN_HEADERS = new Set(['content-type']);

const UNCLEAN = 1006;
const TOO_LARGE = 1009;

/**
 * A stream over a WebSocket on the RPC's own path, JSON messages in frames. etcd's proxy takes the token as a subprotocol, from 3.5.32 on.
 */
export function webSocketDuplex({ origin, path, headers, token, rpc }: DuplexRequest, carrying: Carrying): Observable<DuplexPart> {
  return new Observable((subscriber) => {
    const where = { rpc, endpoint: origin };
    const connection = connectionFor(origin, carrying, false);
    const handshake = handshakeOver(connection.client, where);
    const socket = new WebSocket(origin.replace(/^http/, 'ws') + path, {
      dispatcher: handshake.dispatcher,
      protocols: token === undefined ? [] : ['Bearer', token],
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name))),
    });
    const outgoing = new Outgoing((text) => socket.send(text));
    let opened = false;
    socket.addEventListener('open', () => {
      opened = true;
      subscriber.next({ type: 'open', send: outgoing.send });
    });
    socket.addEventListener('message', ({ data }: { data: unknown }) => {
      try {
        subscriber.next({ type: 'message', json: parseJson(String(data), where) });
      } catch (error) {
        subscriber.error(error);
      }
    });
    socket.addEventListener('error', () => {
      if (!opened) subscriber.error(handshake.failure());
    });
    socket.addEventListener('close', ({ code }) => {
      subscriber.error(code === UNCLEAN ? uncleanEnd(connection.closeCode(), where) : lost(code, where));
    });
    return () => {
      if (socket.readyState !== WebSocket.OPEN) return connection.destroy();
      // In one go: etcd must know of the end before it has answered what was said just before it.
      connection.leave(() => {
        outgoing.flush();
        socket.close();
      });
    };
  });
}

/** @param given the code with which it was given up on this side, if it was */
function uncleanEnd(given: number | undefined, where: ErrorDetails): EtcdError {
  if (given === undefined) return lost(UNCLEAN, where);
  return given === TOO_LARGE
    ? responseTooLarge(where)
    : new EtcdError('MalformedResponse', `what came is no message of a WebSocket (code ${given})`, where);
}

const lost = (code: number, where: ErrorDetails): EtcdError =>
  new EtcdError('ConnectionLost', `the stream ended (WebSocket code ${code})`, where);
