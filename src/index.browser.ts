/**
 * Connects to etcd v3 from a browser. It has the same exports as the entry point for Node.
 *
 * @module rxetcd
 */
import { browserPlatform } from './browser/browserPlatform.js';
import { openClient, type Client } from './client/client.js';
import type { ClientOptions } from './options/clientOptions.js';

export * from './client/api.js';

/**
 * Creates a client in a browser. No request is sent before the first subscription.
 *
 * @throws InvalidOptionError that names the option
 *
 * ```ts
 * const etcd = createClient({ endpoints: '/etcd' });
 * ```
 */
export function createClient(options: ClientOptions = {}): Client {
  return openClient(browserPlatform, options);
}
