import { getText } from '../etcd/http.js';
import type { EtcdServer } from '../etcd/index.js';
import type { TcpProxy } from '../faultProxies/tcpProxy.js';
import type { PeerProxy } from './peerProxy.js';

/** A member of a cluster with a proxy before each of its ports. */
export interface Member {
  /** The process: killed, paused, started anew. */
  readonly server: EtcdServer;
  /** Where clients are to reach it. */
  readonly endpoint: string;
  /** Between clients and it. */
  readonly client: TcpProxy;
  /** Between the other members and it. */
  readonly peer: PeerProxy;
  /** Its id, in hexadecimal: another when it has joined anew. */
  id: string;
}

/** The directions of what is held back: into a member, out of it, or both. */
export type Way = 'in' | 'out' | 'both';

/** Parts a member from clients: nothing arrives, though connections stay. */
export function stallClients({ client }: Member, way: Way): void {
  if (way !== 'out') client.up.stall();
  if (way !== 'in') client.down.stall();
}

/** Parts a member from the others, which go on without it. */
export function stallPeers(member: Member, all: readonly Member[], way: Way): void {
  for (const lane of peerLanes(member, all, way)) lane.stall();
}

/** All flows again, from and to everybody. */
export function heal(members: readonly Member[]): void {
  for (const member of members) {
    member.client.up.resume();
    member.client.down.resume();
    for (const lane of peerLanes(member, members, 'both')) lane.resume();
  }
}

/** What others say to it, on connections of theirs and on those that it made; and what it says itself. */
function peerLanes(member: Member, all: readonly Member[], way: Way) {
  const others = all.filter((other) => other !== member);
  const theirs = [...others.map((other) => member.peer.from(other.id)), member.peer.fromOthers];
  const its = others.map((other) => other.peer.from(member.id));
  const incoming = [...theirs.map(({ up }) => up), ...its.map(({ down }) => down)];
  const outgoing = [...theirs.map(({ down }) => down), ...its.map(({ up }) => up)];
  return [...(way === 'out' ? [] : incoming), ...(way === 'in' ? [] : outgoing)];
}

/** Whether a member says this of itself, without a token and with whatever version. One that gives no answer in time says nothing. */
async function says({ server }: Pick<Member, 'server'>, gauge: string, value: 0 | 1): Promise<boolean> {
  if (server.pid === undefined) return false;
  const metrics = await getText(`${server.endpoint}/metrics`, server.clientTls, 500).catch(() => '');
  return new RegExp(`^${gauge} ${value}$`, 'm').test(metrics);
}

/** Whether it thinks that it leads. One that was parted from the others may think so for a while. */
export const leads = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_is_leader', 1);

/** Whether it says that it does not lead. */
export const leadsNot = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_is_leader', 0);

/** Whether it runs, and knows a leader. */
export const follows = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_has_leader', 1);

/** Whether it runs, and says that it knows no leader. */
export const isLeaderless = (member: Pick<Member, 'server'>): Promise<boolean> => says(member, 'etcd_server_has_leader', 0);
