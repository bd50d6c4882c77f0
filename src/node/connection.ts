import { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Client, buildConnector, errors } from 'undici';
import { EtcdError } from '../errors/index.js';
import { SharedTimeout } from '../util/time.js';
import type { TlsMaterial, TlsSource } from './certificates.js';

/**
 * The time without data after which the kernel probes the other end of a connection, in milliseconds. It then probes
 * once a second, and after ten probes the connection is lost. This detects a lost host or route without any work of
 * this process.
 */
const TCP_KEEPALIVE_MS = 5_000;

/** The settings for making connections. */
interface ConnectorSettings {
  readonly timeoutMs: number;
  /** Whether HTTP/2 may be negotiated. */
  readonly allowH2: boolean;
  /** The connections that are being made. */
  readonly connecting: Set<Socket>;
}

/**
 * Makes connections, each with the current certificates and keys. Certificates are always verified, regardless of
 * environment variables.
 */
export function connectorWith(tls: TlsSource, { timeoutMs, allowH2, connecting }: ConnectorSettings): buildConnector.connector {
  // undici checks its own timeout only once a second, so that a timeout of 400 ms would fire after more than 1 000 ms.
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
      // A new connector, as each one keeps TLS sessions, and a resumed session would use the old certificate.
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
      // A server that rejects the certificate reports it after the handshake, and closes. undici would report only the
      // close.
      socket.once('error', (refusal: Error) => socket.destroy(refusal));
      callback(null, socket);
    });
  };
}

/**
 * Limits the time for making a connection, and records the connection during that time. undici's connectors return
 * their socket at once, although their type does not say so.
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

/** The dependencies for making connections for bidirectional streams. */
export interface DuplexDeps {
  readonly connect: buildConnector.connector;
  /** Makes connections that offer HTTP/2 to the other end. */
  readonly connectHttp2: buildConnector.connector;
  /** The longest message, in bytes. */
  readonly maxResponseBytes: number;
  /** The sockets of streams without a subscriber, which wait for the other end to close. */
  readonly closing: Set<Socket>;
}

/** A connection for one stream alone. */
export interface Connection {
  readonly client: Client;
  /** Closes the connection at once, even if requests are in progress. This shows the server that the stream is over. */
  destroy(): void;
  /**
   * Calls `say`, which sends the last messages and the end of the stream, as one write. Then it reads until the other
   * end closes the connection, or until that takes too long, and destroys the connection.
   */
  leave(say: () => void): void;
}

/**
 * The longest time that the other end may take to close a connection after {@link Connection.leave}, in milliseconds.
 */
const FAREWELL_MS = 1_000;

/**
 * Makes a connection for one stream. undici no longer tracks a socket that was upgraded, and would leave it open when
 * its client is closed. So the socket is destroyed here. An HTTP/2 socket stays with undici, which must close it
 * itself. If it is destroyed without an error, undici throws from an event, where the error cannot be caught.
 *
 * @param http2 whether HTTP/2 is required; the connection fails with `TransportUnsupported` if the other end does not
 * support it
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
      left.cork();
      say();
      left.uncork();
      closing.add(left);
      const waiting = setTimeout(() => left.destroy(), FAREWELL_MS).unref();
      left.once('close', () => {
        clearTimeout(waiting);
        closing.delete(left);
        void client.destroy();
      });
    },
  };
}
