import { Observable } from 'rxjs';
import type { DuplexPart, DuplexRequest } from '../http/transport.js';
import { connectionFor, type Carrying } from '../streams/dedicatedConnection.js';
import { shakeHands } from './handshake.js';
import { OpenSocket } from '../streams/websocket.js';

/** Headers that a handshake has no use for. */
const OWN_HEADERS = new Set(['content-type']);

/**
 * A stream over a WebSocket on the RPC's own path, JSON messages in frames. etcd's proxy takes the token as a subprotocol, from 3.5.32 on.
 */
export function webSocketDuplex({ origin, path, headers, token, rpc }: DuplexRequest, carrying: Carrying): Observable<DuplexPart> {
  return new Observable((subscriber) => {
    const where = { rpc, endpoint: origin };
    const connection = connectionFor(origin, carrying, false);
    let open: OpenSocket | undefined;
    shakeHands(
      connection.client,
      {
        path,
        headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name))),
        protocols: token === undefined ? [] : ['Bearer', token],
      },
      where,
      {
        opened: (socket) => {
          open = new OpenSocket(socket, carrying.maxResponseBytes, where, subscriber);
          open.begin();
        },
        failed: (error) => subscriber.error(error),
      },
    );
    return () => {
      if (open?.isOver !== false) return connection.destroy();
      const left = open;
      connection.leave(() => left.leave());
    };
  });
}
