/**
 * Connects to etcd v3: keys, watches, leases, locks and everything else that needs a client. Start with {@link
 * createClient}.
 *
 * @module rxetcd
 */
import { openClient, type Client } from './client/client.js';
import { nodePlatform } from './node/nodePlatform.js';
import type { ClientOptions } from './options/clientOptions.js';

export * from './client/api.js';

/**
 * Creates a client. No request is sent before the first subscription.
 *
 * @throws InvalidOptionError that names the option; EtcdError `UnsupportedRuntime` on Bun
 *
 * ```ts
 * const etcd = createClient({ endpoints: ['https://a:2379', 'https://b:2379'], auth: { username, password } });
 * ```
 */
export function createClient(options: ClientOptions = {}): Client {
  return openClient(nodePlatform, options);
}
