import type { Socket } from 'node:net';
import { Client, type buildConnector } from 'undici';
import { EtcdError } from '../../errors/index.js';

/** What streams both ways are carried with. */
export interface Carrying {
  readonly connect: buildConnector.connector;
  /** Offers HTTP/2 to the other end. */
  readonly connectHttp2: buildConnector.connector;
  /** How long a message may be. */
  readonly maxResponseBytes: number;
  /** Sockets of streams that have been left, and wait for the other end to close. */
  readonly leaving: Set<Socket>;
}

/** A connection of one stream's own. */
export interface Connection {
  readonly client: Client;
  /** Closes it at once, whatever is under way: that is how the server learns that the stream is over. */
  destroy(): void;
  /**
   * Says what is to be said at last, the end included, in one go; then goes on reading until the other end closes it, and destroys it then, or when that
   * takes too long.
   */
  leave(say: () => void): void;
}

/** So long the other end may take to close a connection that is left. In milliseconds. */
const FAREWELL_MS = 1_000;

/**
 * A connection for one stream. undici lets go of a socket that was upgraded, and would leave it open behind a closed client: hence the hand on it. One of
 * HTTP/2 it keeps, and must close itself: where the socket is closed without an error of its own, it throws out of an event, where nobody can catch it.
 *
 * @param http2 whether it must speak HTTP/2; `CarrierUnusable` where the other end does not
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
