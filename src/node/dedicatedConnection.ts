import type { Socket } from 'node:net';
import { Client, type buildConnector } from 'undici';
import { EtcdError } from '../errors/index.js';

/** The means to make connections for bidirectional streams. */
export interface Carrying {
  readonly connect: buildConnector.connector;
  /** Makes connections that offer HTTP/2 to the other end. */
  readonly connectHttp2: buildConnector.connector;
  /** The longest message, in bytes. */
  readonly maxResponseBytes: number;
  /** The sockets of streams that have been left, and that wait for the other end to close. */
  readonly leaving: Set<Socket>;
}

/** A connection for one stream alone. */
export interface Connection {
  readonly client: Client;
  /** Closes it at once, whatever is in progress. This shows the server that the stream is over. */
  destroy(): void;
  /**
   * Calls `say`, which sends the last messages and the end of the stream, as one write. Then it reads until the other
   * end closes the connection, and destroys it then, or when that takes too long.
   */
  leave(say: () => void): void;
}

/** How long the other end may take to close a connection that is left, in milliseconds. */
const FAREWELL_MS = 1_000;

/**
 * Makes a connection for one stream. undici releases a socket that was upgraded, and would leave it open behind a
 * closed client, so the socket is destroyed here. An HTTP/2 socket stays with undici, which must close it itself. If it
 * is destroyed without an error, undici throws from an event, where the error cannot be caught.
 *
 * @param http2 whether it must speak HTTP/2; it fails with `CarrierUnusable` if the other end does not
 */
export function connectionFor(origin: string, { connect, connectHttp2, leaving }: Carrying, http2: boolean): Connection {
  let socket: Socket | undefined;
  let destroyed = false;
  const client = new Client(origin, {
    allowH2: http2,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) =>
      (http2 ? connectHttp2 : connect)(options, (...[error, connected]) => {
        if (error !== null) return callback(error, null);
        socket = connected;
        if (destroyed && !http2) connected.destroy();
        if (http2 && (connected as { alpnProtocol?: unknown }).alpnProtocol !== 'h2') {
          connected.destroy();
          return callback(new EtcdError('CarrierUnusable', 'the endpoint does not speak HTTP/2', { endpoint: origin }), null);
        }
        callback(null, connected);
      }),
  });
  const destroy = (): void => {
    destroyed = true;
    if (!http2) socket?.destroy();
    void client.destroy();
  };
  return {
    client,
    destroy,
    leave: (say) => {
      if (socket === undefined || socket.destroyed) return destroy();
      const left = socket;
      left.cork();
      say();
      left.uncork();
      leaving.add(left);
      const waiting = setTimeout(() => left.destroy(), FAREWELL_MS).unref();
      left.once('close', () => {
        clearTimeout(waiting);
        leaving.delete(left);
        void client.destroy();
      });
    },
  };
}
