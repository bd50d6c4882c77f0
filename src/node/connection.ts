import { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Client, buildConnector, errors } from 'undici';
import { EtcdError } from '../errors/index.js';
import { SharedTimeout } from '../util/time.js';
import type { TlsMaterial, TlsSource } from './certificates.js';

/**
 * The time without data after which the kernel probes the server of a connection, in milliseconds. It then probes once
 * a second, and closes the connection after ten probes without a response. So a lost host or route is detected without
 * any work of this process.
 */
const TCP_KEEPALIVE_MS = 5_000;

/** The settings for opening connections. */
interface ConnectorSettings {
  readonly timeoutMs: number;
  /** Whether HTTP/2 may be negotiated. */
  readonly allowH2: boolean;
  /** The connections that are being opened. */
  readonly connecting: Set<Socket>;
}

/**
 * Opens connections, each with the current certificates and keys. Certificates are always verified, whatever the
 * environment variables are.
 */
export function connectorWith(tls: TlsSource, { timeoutMs, allowH2, connecting }: ConnectorSettings): buildConnector.connector {
  // undici's own timeout is not used, as undici checks it only once a second. A timeout of 400 ms would fire after more
  // than 1 000 ms.
  const common = { timeout: 0, allowH2, keepAliveInitialDelay: TCP_KEEPALIVE_MS };
  const deadlines = new SharedTimeout(timeoutMs);
  const plain = inTime(buildConnector(common), deadlines, connecting);
  const { serverName } = tls;
  let used: TlsMaterial | undefined;
  let secure = plain;
  return (options, callback) => {
    if (options.protocol !== 'https:') return plain(options, callback);
    const { current } = tls;
    if (used !== current) {
      used = current;
      // Changed certificates need another connector. Each connector keeps TLS sessions, and a resumed session would use
      // the old certificate.
      const connect = buildConnector({
        ...common,
        secureContext: createSecureContext(current),
        rejectUnauthorized: true,
        ...(serverName === undefined ? {} : { servername: serverName }),
      });
      secure = inTime(connect, deadlines, connecting);
    }
    secure(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      // If a server rejects the certificate, it reports the rejection after the handshake, and closes the connection.
      // undici would report only that the connection was closed.
      socket.once('error', (refusal: Error) => socket.destroy(refusal));
      callback(null, socket);
    });
  };
}

/**
 * Limits the time for opening a connection. Keeps the socket in `connecting` during this time. undici's connectors
 * return the socket at once, although their type does not show this.
 */
function inTime(connect: buildConnector.connector, deadlines: SharedTimeout, connecting: Set<Socket>): buildConnector.connector {
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
      connecting.delete(socket);
    };
    connecting.add(socket.once('close', () => done()));
  };
}

/** The dependencies for bidirectional streams. */
export interface DuplexDeps {
  readonly connect: buildConnector.connector;
  /** Opens connections that offer HTTP/2 to the server. */
  readonly connectHttp2: buildConnector.connector;
  /** The longest message, in bytes. */
  readonly maxResponseBytes: number;
  /** The sockets without a subscriber, which stay open until the server closes the connection. */
  readonly closing: Set<Socket>;
}

/** A connection that only one stream uses. */
export interface Connection {
  readonly client: Client;
  /** Closes the connection at once, even if requests are in progress. So the server notices the end of the stream. */
  destroy(): void;
  /**
   * Calls `say`, which sends the last messages and the end of the stream. Then reads until the server closes the
   * connection. If the server takes too long, destroys the connection.
   */
  leave(say?: () => void): void;
}

/** How long the server may take to close a connection after {@link Connection.leave}, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * Opens a connection for one stream. After an upgrade, undici no longer tracks the socket, and does not close it with
 * the client. So the socket is destroyed here. In contrast, undici still uses an HTTP/2 socket, and must close it
 * itself. If such a socket is destroyed without an error, undici throws in an event, where the error cannot be caught.
 *
 * @param http2 whether HTTP/2 is required. If the server does not support it, the connection fails with
 * `TransportUnsupported`
 */
export function connectionFor(origin: string, { connect, connectHttp2, closing }: DuplexDeps, http2: boolean): Connection {
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
      say?.();
      closing.add(left);
      const waiting = setTimeout(() => left.destroy(), CLOSE_TIMEOUT_MS).unref();
      left.once('close', () => {
        clearTimeout(waiting);
        closing.delete(left);
        void client.destroy();
      });
    },
  };
}
