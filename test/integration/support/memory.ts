import { createTestEtcd, type TestServer } from 'rxetcd/testing';
import type { EtcdOptions, EtcdServer } from '../../support/etcd/index.js';

/** Whether the tests run on the etcd in memory: `ETCD=memory`. */
export const inMemory = process.env['ETCD'] === 'memory';

/** The etcd in memory, with its members in the form of processes. */
export interface MemoryCluster {
  readonly server: TestServer;
  readonly members: readonly EtcdServer[];
}

/** Starts an etcd in memory in place of processes. */
export function startMemory(
  { version = process.env['ETCD_VERSION'] ?? '3.5.30', args = [], clientTls }: EtcdOptions,
  members = 1,
): MemoryCluster {
  if (args.length > 0 || clientTls !== undefined) throw new Error('the etcd in memory has no flags and no TLS');
  const { server } = createTestEtcd({ version, members });
  const full = /\d+\.\d+\.\d+/.test(version) ? version : `${version}.30`;
  return { server, members: server.endpoints.map((endpoint, index) => memberAt(server, endpoint, `etcd-${index + 1}`, full)) };
}

/** A member in the form of a process. */
const memberAt = (server: TestServer, endpoint: string, name: string, version: string): EtcdServer => ({
  kind: 'process',
  endpoint,
  peerUrl: undefined,
  version,
  name,
  dataDir: undefined,
  pid: undefined,
  clientTls: undefined,
  output: () => '',
  stop: () => Promise.resolve(server.disconnect(endpoint)),
  kill: () => Promise.resolve(server.disconnect(endpoint)),
  restart: ({ wipe = false } = {}) => {
    server.restart({ wipe });
    return Promise.resolve(server.connect(endpoint));
  },
  pause: () => {
    server.stall('requests', endpoint);
    return Promise.resolve(server.stall('responses', endpoint));
  },
  resume: () => Promise.resolve(server.resume(endpoint)),
});
