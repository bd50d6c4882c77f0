import { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import type { TlsMaterial, TlsSource } from './certificates.js';

/** How connections are made. */
interface ConnectorSettings {
  readonly timeoutMs: number;
  /** Whether HTTP/2 may be agreed on. */
  readonly allowH2: boolean;
  /** Gets each connection for as long as it is being made. */
  readonly making: Set<Socket>;
}

/** Makes connections with what TLS works with at that time. Certificates are verified, whatever the environment says. */
export function connectorWith(tls: TlsSource, { timeoutMs, allowH2, making }: ConnectorSettings): buildConnector.connector {
  const plain = buildConnector({ timeout: timeoutMs, allowH2 });
  const { serverName } = tls;
  let used: TlsMaterial | undefined;
  let secure = plain;
  return (options, callback) => {
    if (options.protocol !== 'https:') return noted(making, plain, options, callback);
    const { current } = tls;
    if (used !== current) {
      used = current;
      // Another one, as it remembers sessions: to resume one would be to show the old certificate.
      secure = buildConnector({
        timeout: timeoutMs,
        allowH2,
        secureContext: createSecureContext(current),
        rejectUnauthorized: true,
        ...(serverName === undefined ? {} : { servername: serverName }),
      });
    }
    noted(making, secure, options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      // A server that refuses our certificate says so after the handshake, and closes: of the two undici would tell the second.
      socket.once('error', (refusal: Error) => socket.destroy(refusal));
      callback(null, socket);
    });
  };
}

/** Has a connection made, and noted until it is. A connector of undici's gives its socket at once, of which its type says nothing. */
function noted(making: Set<Socket>, connect: buildConnector.connector, ...[options, callback]: Parameters<buildConnector.connector>): void {
  const socket: unknown = connect(options, (...made) => {
    if (socket instanceof Socket) making.delete(socket);
    callback(...made);
  });
  if (socket instanceof Socket) making.add(socket);
}
