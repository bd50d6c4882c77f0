import { openClient, type Client } from '../../../src/client/client.js';
import { createClient as createRealClient, type ClientOptions } from '../../../src/index.js';
import { nodePlatform } from '../../../src/node/nodePlatform.js';
import { MemoryWire } from '../../../src/testing/memoryWire.js';
import { memoryAt } from './servers.js';

/** The package as tests import it with `ETCD=memory`: clients of an etcd in memory have no sockets. */
export * from '../../../src/index.js';

export function createClient(options: ClientOptions = {}): Client {
  const etcd = [options.endpoints ?? []]
    .flat()
    .map((endpoint) => memoryAt(String(endpoint)))
    .find((found) => found !== undefined);
  if (etcd === undefined) return createRealClient(options);
  return openClient({ ...nodePlatform, wire: () => new MemoryWire(etcd.network) }, options);
}
