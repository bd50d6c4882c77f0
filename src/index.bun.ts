/**
 * Connects to etcd v3 from Bun. It has the same exports as the entry point for Node.
 *
 * @module rxetcd
 */
import { bunPlatform } from './browser/bunPlatform.js';
import { openClient, type Client } from './client/client.js';
import type { ClientOptions } from './options/clientOptions.js';

export * from './client/api.js';

/**
 * Creates a client on Bun. No request is sent before the first subscription.
 *
 * @throws InvalidOptionError that names the option
 *
 * ```ts
 * const etcd = createClient({ endpoints: 'https://127.0.0.1:2379', tls: { caFile: 'ca.pem' } });
 * ```
 */
export function createClient(options: ClientOptions = {}): Client {
  return openClient(bunPlatform, options);
}
