import { findEtcd } from '../../etcd/index.js';
import { startProcess } from '../../etcd/processServer.js';
import { uniqueName } from '../../etcd/server.js';
import type { EtcdServer } from '../../etcd/types.js';
import { follows, leads } from '../member.js';
import { TIMES } from '../start.js';
import { makeNetwork, type Link } from './network.js';
import { namespacesRefused } from './rights.js';
import { waitFor } from '../../waitFor.js';

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;

/** A member on a separate host. */
export interface NamespacedMember {
  readonly server: EtcdServer;
  readonly endpoint: string;
  readonly link: Link;
}

/** Members of which each is in a separate network namespace. The cluster ends with the process that started it. */
export interface NamespacedCluster {
  readonly version: string;
  readonly members: readonly NamespacedMember[];
  readonly endpoints: readonly string[];
  /** The name of the host's link. */
  readonly network: string;
  /** The leader of these members, once there is one. */
  leader(among?: readonly NamespacedMember[]): Promise<NamespacedMember>;
  /** Resolves when every member runs and knows a leader. */
  settled(): Promise<void>;
  /** Reconnects all links. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

export interface NamespacedClusterOptions {
  readonly version?: string | undefined;
  /** Default 3. */
  readonly size?: number;
}

/** Starts a cluster. Rejects with the reason if network namespaces cannot be created: see {@link namespacesRefused}. */
export async function startNamespacedCluster({ version, size = 3 }: NamespacedClusterOptions = {}): Promise<NamespacedCluster> {
  const refused = namespacesRefused();
  if (refused !== undefined) throw new Error(`no network namespaces: ${refused}`);
  const source = await findEtcd({ version, asProcess: true });
  if (source.kind !== 'binary') throw new Error('only a process can be put into a namespace');
  const network = await makeNetwork(size);
  const servers: EtcdServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    await network.remove();
  };
  try {
    const cluster = uniqueName();
    const seats = network.links.map(({ address, within }, index) => ({ name: `${cluster}-${index}`, host: address, within }));
    const initialCluster = seats.map(({ name, host }) => `${name}=http://${host}:${PEER_PORT}`).join(',');
    const start = async (seat: (typeof seats)[number]): Promise<void> => {
      const place = { ...seat, clientPort: CLIENT_PORT, peerPort: PEER_PORT, initialCluster };
      servers.push(await startProcess(source, { args: TIMES }, place));
    };
    const failed = (await Promise.allSettled(seats.map(start))).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const members = network.links.map((link): NamespacedMember => {
      const server = servers.find(({ endpoint }) => endpoint.includes(`//${link.address}:`));
      if (server === undefined) throw new Error(`nobody is at ${link.address}`);
      return { server, endpoint: server.endpoint, link };
    });
    return {
      version: source.version,
      members,
      endpoints: members.map(({ endpoint }) => endpoint),
      network: network.name,
      leader: (among = members) => waitFor('somebody leads', () => first(among, leads)),
      settled: async () => void (await waitFor('all know a leader', async () => ((await first(members, lost)) ? undefined : true))),
      heal: async () => void (await Promise.all(members.map(({ link }) => link.up()))),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const lost = async (member: NamespacedMember): Promise<boolean> => !(await follows(member));

async function first(members: readonly NamespacedMember[], isSo: (member: NamespacedMember) => Promise<boolean>) {
  const answers = await Promise.all(members.map(isSo));
  return members.find((_, index) => answers[index]);
}
