import { getText } from '../etcd/http.js';
import { freePorts } from '../etcd/index.js';
import { startProcess } from '../etcd/processServer.js';
import { uniqueName } from '../etcd/server.js';
import { startTogether } from '../etcd/startTogether.js';
import type { BinarySource, ClientTls, EtcdServer } from '../etcd/types.js';
import { startTcpProxy, type TcpProxy } from '../faultProxies/tcpProxy.js';
import type { FaultClusterOptions } from './types.js';
import type { Member } from './member.js';
import { startPeerProxy, type PeerProxy } from './peerProxy.js';

/** Elections are short, and yet a busy machine does not cause one. */
export const TIMES = ['--heartbeat-interval', '50', '--election-timeout', '500'];

interface Seat {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly endpoint: string;
  readonly client: TcpProxy;
  readonly peer: PeerProxy;
}

/** Starts the members of a new cluster at the same time: a member is ready only when most of them run. */
export async function startMembers(source: BinarySource, options: FaultClusterOptions, tls: ClientTls | undefined): Promise<Member[]> {
  const { size = 3, tokenTtl, args = [] } = options;
  const ports = await freePorts(2 * size);
  const cluster = uniqueName();
  const seat = async (index: number): Promise<Seat> => {
    const [clientPort = 0, peerPort = 0] = ports.slice(2 * index);
    const [client, peer] = await Promise.all([
      startTcpProxy(`http://127.0.0.1:${clientPort}`),
      startPeerProxy(`http://127.0.0.1:${peerPort}`),
    ]);
    const endpoint = tls === undefined ? client.endpoint : client.endpoint.replace('http:', 'https:');
    return { name: `${cluster}-${index}`, clientPort, peerPort, endpoint, client, peer };
  };
  const seats = await Promise.all(Array.from({ length: size }, (_, index) => seat(index)));
  const initialCluster = seats.map(({ name, peer }) => `${name}=${peer.endpoint}`).join(',');
  const flags = [...TIMES, ...(tokenTtl === undefined ? [] : ['--auth-token-ttl', String(tokenTtl)]), ...args];
  const start = ({ name, clientPort, peerPort, endpoint, peer }: Seat, signal: AbortSignal): Promise<EtcdServer> =>
    startProcess(
      source,
      { clientTls: tls && { ...tls, clientCertAuth: true }, args: flags, signal },
      { name, clientPort, peerPort, initialCluster, advertise: { client: endpoint, peer: peer.endpoint } },
    );
  const servers = await startTogether(seats, start).catch(async (error: unknown) => {
    await Promise.all(seats.map(closeProxies));
    throw error;
  });
  const ids = await idsByPeer(ports[1] ?? 0);
  return seats.flatMap(({ endpoint, client, peer }, index): Member[] => {
    const server = servers[index];
    const id = ids.get(peer.endpoint);
    if (server === undefined || id === undefined) throw new Error(`${peer.endpoint} is not a member`);
    return [{ server, endpoint, client, peer, id }];
  });
}

export async function stopMember(member: Member): Promise<void> {
  await member.server.stop();
  await closeProxies(member);
}

async function closeProxies({ client, peer }: Pick<Seat, 'client' | 'peer'>): Promise<void> {
  await Promise.all([client.close(), peer.close()]);
}

/**
 * Returns the ids of the members, by their peer URLs. A peer needs no token for this. The ids are text, as the numbers
 * are too large for JavaScript.
 */
async function idsByPeer(peerPort: number): Promise<Map<string, string>> {
  const text = await getText(`http://127.0.0.1:${peerPort}/members`);
  const found = text.matchAll(/"id":(\d+),"peerURLs":\["([^"]+)"/g);
  return new Map([...found].map(([, id = '0', url = '']) => [url, BigInt(id).toString(16)]));
}
