import { freePorts } from '../ports.js';
import { startContainer } from './docker.js';
import { findEtcd } from './find.js';
import { startProcess, type Seat } from './processServer.js';
import { retryPorts, uniqueName } from './server.js';
import { startTogether } from './startTogether.js';
import { inMemory } from '../memory/mode.js';
import type { EtcdOptions, EtcdServer } from './types.js';

export interface ClusterOptions extends Pick<EtcdOptions, 'version' | 'args' | 'env' | 'clientTls' | 'startTimeoutMs'> {
  /** Default 3. */
  readonly size?: number | undefined;
}

export interface EtcdCluster {
  readonly members: readonly EtcdServer[];
  readonly endpoints: readonly string[];
  readonly version: string;
  stop(): Promise<void>;
}

type Start = (seat: Seat, signal: AbortSignal) => Promise<EtcdServer>;

/** Starts several members of one cluster; resolves when all know a leader. */
export async function startCluster(options: ClusterOptions = {}): Promise<EtcdCluster> {
  const { size = 3, ...common } = options;
  if (inMemory) {
    const members = (await import('../memory/servers.js')).startMemory(common, size);
    return toCluster(members, members[0]?.version ?? '', async () => undefined);
  }
  const source = await findEtcd({ version: options.version, own: true });
  if (source.kind === 'external') throw new Error('a cluster is always our own');
  if (source.kind === 'binary') {
    const members = await retryPorts(() =>
      startMembers(
        size,
        (port) => `http://127.0.0.1:${port}`,
        (seat, signal) => startProcess(source, { ...common, signal }, seat),
      ),
    );
    return toCluster(members, source.version, async () => undefined);
  }
  const { Network } = await import('testcontainers');
  const network = await new Network().start();
  const start: Start = (seat) => startContainer(source, common, seat, network.getName());
  try {
    const members = await retryPorts(() => startMembers(size, (_port, name) => `http://${name}:2380`, start));
    return toCluster(members, source.version, async () => void (await network.stop()));
  } catch (error) {
    await network.stop();
    throw error;
  }
}

async function startMembers(size: number, peerUrl: (port: number, name: string) => string, start: Start): Promise<EtcdServer[]> {
  const ports = await freePorts(2 * size);
  const cluster = uniqueName();
  const seats = Array.from({ length: size }, (_, index) => ({
    name: `${cluster}-${index}`,
    clientPort: ports[2 * index] ?? 0,
    peerPort: ports[2 * index + 1] ?? 0,
  }));
  const initialCluster = seats.map(({ name, peerPort }) => `${name}=${peerUrl(peerPort, name)}`).join(',');
  return startTogether(seats, (seat, signal) => start({ ...seat, initialCluster }, signal));
}

function toCluster(members: readonly EtcdServer[], version: string, cleanUp: () => Promise<void>): EtcdCluster {
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop()));
    await cleanUp();
  };
  return { members, version, endpoints: members.map(({ endpoint }) => endpoint), stop: () => (stopped ??= stop()) };
}
