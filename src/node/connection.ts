import { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Client, buildConnector, errors } from 'undici';
import { EtcdError } from '../errors/index.js';
import { SharedTimeout } from '../util/time.js';
import type { TlsMaterial, TlsSource } from './certificates.js';

/**
 * How long a connection may be silent before the kernel probes the other end, in milliseconds. It then probes once a
 * second, and after ten probes the connection is lost. This finds a host or a route that is gone without any work of
 * ours.
 */
const TCP_KEEPALIVE_MS = 5_000;

/** The settings for making connections. */
interface ConnectorSettings {
  readonly timeoutMs: number;
  /** Whether HTTP/2 may be negotiated. */
  readonly allowH2: boolean;
  /** Contains each connection while it is being made. */
  readonly making: Set<Socket>;
}

/**
 * Makes connections with the certificates and keys of that moment. Certificates are verified, whatever the environment
 * says.
 */
export function connectorWith(tls: TlsSource, { timeoutMs, allowH2, making }: ConnectorSettings): buildConnector.connector {
  // undici checks its own timeout once a second: one of 400 ms would come after more than 1 000.
  const common = { timeout: 0, allowH2, keepAliveInitialDelay: TCP_KEEPALIVE_MS };
  const deadlines = new SharedTimeout(timeoutMs);
  const plain = inTime(buildConnector(common), deadlines, making);
  const { serverName } = tls;
  let used: TlsMaterial | undefined;
  let secure = plain;
  return (options, callback) => {
    if (options.protocol !== 'https:') return plain(options, callback);
    const { current } = tls;
    if (used !== current) {
      used = current;
      // Another connector, as each remembers sessions: resuming one would show the old certificate.
      const connect = buildConnector({
        ...common,
        secureContext: createSecureContext(current),
        rejectUnauthorized: true,
        ...(serverName === undefined ? {} : { servername: serverName }),
      });
      secure = inTime(connect, deadlines, making);
    }
    secure(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      // A server that refuses our certificate says so after the handshake, and closes. undici would report only the
      // close.
      socket.once('error', (refusal: Error) => socket.destroy(refusal));
      callback(null, socket);
    });
  };
}

/**
 * Limits the time for making a connection, and records each that is being made. undici's connectors return their socket
 * at once, although their type does not say so.
 */
function inTime(connect: buildConnector.connector, deadlines: SharedTimeout, making: Set<Socket>): buildConnector.connector {
  return (options, callback) => {
    let done = (): void => undefined;
    const socket: unknown = connect(options, (...made) => {
      done();
      callback(...made);
    });
    if (!(socket instanceof Socket)) return;
    const callOff = deadlines.set(() => socket.destroy(new errors.ConnectTimeoutError('connecting timed out')));
    done = () => {
      callOff();
      making.delete(socket);
    };
    making.add(socket.once('close', () => done()));
  };
}

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
 * @param http2 whether it must speak HTTP/2; it fails with `TransportUnsupported` if the other end does not
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
          return callback(new EtcdError('TransportUnsupported', 'the endpoint does not speak HTTP/2', { endpoint: origin }), null);
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
