import { isAtLeast, parseVersion } from '../../../../src/transport/endpoints/version.js';
import type { StreamOptions } from '../../../../src/index.js';
import type { EtcdServer } from '../../../support/etcd/index.js';

export type TransportOption = NonNullable<StreamOptions['transport']>;

/** A transport, and whether it is tested with TLS. */
export const TRANSPORTS: readonly (readonly [transport: TransportOption, tls: boolean])[] = [
  ['websocket', false],
  ['http2', true],
  ['chunked', false],
];

/** Returns whether a server is of this version or newer. */
export function has(server: Pick<EtcdServer, 'version'>, required: string): boolean {
  const version = parseVersion(server.version);
  if (version === undefined) throw new Error(`not a version: ${server.version}`);
  return isAtLeast(version, required);
}

/** An old server closes a WebSocket on a message over 64 KiB, so there `auto` is tested instead. */
export function forLongMessages(transport: TransportOption, server: Pick<EtcdServer, 'version'>): TransportOption {
  return transport === 'websocket' && !has(server, '3.4.16') ? 'auto' : transport;
}
