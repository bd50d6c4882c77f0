import { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { buildConnector, errors } from 'undici';
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
