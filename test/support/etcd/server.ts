import { randomBytes } from 'node:crypto';
import { freePorts } from '../ports.js';
import { startContainer } from './docker.js';
import { externalServer } from './external.js';
import { findEtcd } from './find.js';
import { LaunchError } from './launch.js';
import { startProcess } from './processServer.js';
import type { EtcdOptions, EtcdServer } from './types.js';
import { inMemory } from '../memory/mode.js';

/** A name that no other etcd has: the proof, later, that the one which answers is ours. */
export function uniqueName(): string {
  return `rxetcd-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Options that a running server of someone else cannot fulfil. */
function needsOwn(options: EtcdOptions): boolean {
  const { args, env, name, dataDir, clientPort, peerPort, clientTls, own } = options;
  return own === true || [args, env, name, dataDir, clientPort, peerPort, clientTls].some((value) => value !== undefined);
}

/** Runs again with other ports when somebody was faster to take one. */
export async function retryPorts<T>(start: () => Promise<T>, attempts = 5): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      const taken = error instanceof LaunchError ? error.portTaken : /port is already allocated|address already in use/.test(String(error));
      if (!taken || attempt >= attempts) throw error;
    }
  }
}

/**
 * A real etcd, ready to use: one that runs (`ETCD_ENDPOINTS`), is installed, comes in a container, or
 * from the distribution's packages. Call `stop()`; should this process die first, the server goes too.
 *
 * @example
 * const server = await startEtcd({ version: '3.4' });
 * // … server.endpoint …
 * await server.stop();
 */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  if (inMemory) return (await import('../memory/servers.js')).startMemoryEtcd(options);
  const source = await findEtcd({ version: options.version, own: needsOwn(options) });
  if (source.kind === 'external') return externalServer(source);
  const name = options.name ?? uniqueName();
  const start = async (): Promise<EtcdServer> => {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const seat = { name, clientPort: options.clientPort ?? clientPort, peerPort: options.peerPort ?? peerPort };
    return source.kind === 'docker' ? startContainer(source, options, seat) : startProcess(source, options, seat);
  };
  return retryPorts(start, options.clientPort === undefined && options.peerPort === undefined ? 5 : 1);
}
