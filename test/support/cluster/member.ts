import { getText } from '../etcd/http.js';
import type { EtcdServer } from '../etcd/index.js';
import type { TcpProxy } from '../faultProxies/tcpProxy.js';
import type { PeerProxy } from './peerProxy.js';

/** A member of a cluster, with a proxy in front of each of its ports. */
export interface Member {
  /** The process: it can be killed, paused and restarted. */
  readonly server: EtcdServer;
  /** The endpoint for clients. */
  readonly endpoint: string;
  /** The proxy between clients and the member. */
  readonly client: TcpProxy;
  /** The proxy between the other members and this one. */
  readonly peer: PeerProxy;
  /** The id of the member, in hexadecimal. It changes when the member rejoins. */
  id: string;
}

/** The direction that is blocked: into a member, out of it, or both. */
export type Way = 'in' | 'out' | 'both';

/** Blocks the data between a member and its clients; connections stay open. */
export function stallClients({ client }: Member, way: Way): void {
  if (way !== 'out') client.up.stall();
  if (way !== 'in') client.down.stall();
}

/** Partitions a member from the others, which continue without it. */
export function stallPeers(member: Member, all: readonly Member[], way: Way): void {
  for (const lane of peerLanes(member, all, way)) lane.stall();
}

/** Ends all faults on its connections. */
export function heal(members: readonly Member[]): void {
  for (const member of members) {
    member.client.up.resume();
    member.client.down.resume();
    for (const lane of peerLanes(member, members, 'both')) lane.resume();
  }
}

/**
 * Returns the lanes between a member and the others: on the connections that they opened, and on those that it opened.
 */
function peerLanes(member: Member, all: readonly Member[], way: Way) {
  const others = all.filter((other) => other !== member);
  const theirs = [...others.map((other) => member.peer.from(other.id)), member.peer.fromOthers];
  const its = others.map((other) => other.peer.from(member.id));
  const incoming = [...theirs.map(({ up }) => up), ...its.map(({ down }) => down)];
  const outgoing = [...theirs.map(({ down }) => down), ...its.map(({ up }) => up)];
  return [...(way === 'out' ? [] : incoming), ...(way === 'in' ? [] : outgoing)];
}

/**
 * Returns whether a metric of a member has this value. It needs no token, and works on every version. Returns false for
 * a member without a response in time.
 */
async function says({ server }: Pick<Member, 'server'>, gauge: string, value: 0 | 1): Promise<boolean> {
  if (server.pid === undefined) return false;
  const metrics = await getText(`${server.endpoint}/metrics`, server.clientTls, 500).catch(() => '');
  return new RegExp(`^${gauge} ${value}$`, 'm').test(metrics);
}

/** Returns whether a member believes that it leads. A partitioned member may believe so for a while. */
export const leads = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_is_leader', 1);

/** Returns whether a member reports that it does not lead. */
export const leadsNot = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_is_leader', 0);

/** Returns whether a member runs, and knows a leader. */
export const follows = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_has_leader', 1);

/** Returns whether a member runs, and reports that it knows no leader. */
export const isLeaderless = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_has_leader', 0);
