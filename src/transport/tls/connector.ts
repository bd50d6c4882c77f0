import { createSecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import type { TlsMaterial, TlsSource } from './source.js';

/** How connections are made. */
interface ConnectorSettings {
  readonly timeoutMs: number;
  /** Whether HTTP/2 may be agreed on. */
  readonly allowH2: boolean;
  /** Ends what is being made, too, of which a pool that is destroyed lets go: it would keep the process alive for as long as it may take. */
  readonly signal: AbortSignal;
}

/** Makes connections with what TLS works with at that time. Certificates are verified, whatever the environment says. */
export function connectorWith(tls: TlsSource, { timeoutMs, allowH2, signal }: ConnectorSettings): buildConnector.connector {
  const plain = buildConnector({ timeout: timeoutMs, allowH2, signal });
  const { serverName } = tls;
  let used: TlsMaterial | undefined;
  let secure = plain;
  return (options, callback) => {
    if (options.protocol !== 'https:') return plain(options, callback);
    const { current } = tls;
    if (used !== current) {
      used = current;
      // Another one, as it remembers sessions: to resume one would be to show the old certificate.
      secure = buildConnector({
        timeout: timeoutMs,
        allowH2,
        signal,
        secureContext: createSecureContext(current),
        rejectUnauthorized: true,
        ...(serverName === undefined ? {} : { servername: serverName }),
      });
    }
    secure(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      // A server that refuses our certificate says so after the handshake, and closes: of the two undici would tell the second.
      socket.once('error', (refusal: Error) => socket.destroy(refusal));
      callback(null, socket);
    });
  };
}
