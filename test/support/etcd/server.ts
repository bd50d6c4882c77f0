import { randomBytes } from 'node:crypto';
import { freePorts } from '../ports.js';
import { startContainer } from './docker.js';
import { externalServer } from './external.js';
import { findEtcd } from './find.js';
import { LaunchError } from './launch.js';
import { startProcess } from './processServer.js';
import type { EtcdOptions, EtcdServer } from './types.js';
import { inMemory } from '../memory/mode.js';

/** A name that no other etcd has. It proves later that the responding server is this one. */
export function uniqueName(): string {
  return `rxetcd-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Returns the options that an external server cannot fulfil. */
function needsOwn(options: EtcdOptions): boolean {
  const { args, env, name, dataDir, clientPort, peerPort, clientTls, own } = options;
  return own === true || [args, env, name, dataDir, clientPort, peerPort, clientTls].some((value) => value !== undefined);
}

/** Retries with other ports if another process has taken one in the meantime. */
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
 * Starts a real etcd, ready to use: a running one (`ETCD_ENDPOINTS`), an installed one, one in a container, or one from
 * the distribution's packages. Call `stop()`; if this process exits first, the server is stopped, too.
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
