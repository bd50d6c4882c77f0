import { setTimeout as delay } from 'node:timers/promises';
import type { FaultCluster } from '../cluster/types.js';
import { getText } from '../etcd/http.js';
import { stallClients, stallPeers, type Member, type Way } from '../cluster/member.js';
import type { Random } from '../random.js';
import type { Workload } from './workload.js';
import { waitFor } from '../waitFor.js';

/** The environment of a fault. */
export interface Stage {
  readonly cluster: FaultCluster;
  readonly workload: Pick<Workload, 'streaming' | 'hold' | 'go'>;
  readonly random: Random;
  /** Called when the cluster could work again, if it could not before. */
  readonly mendable: () => void;
}

/** Causes a fault. Resolves when it is over, and the cluster has recovered. */
export type Fault = (stage: Stage) => Promise<void>;

/** The duration of a fault that does not end by itself: longer than a watch may take to detect it. */
const LASTS_MS = 5_500;

/** Picks a member that has the stream of a watch, if there is one. */
function victim({ cluster, workload, random }: Stage, among = cluster.members): Member {
  const streaming = among.filter(({ endpoint }) => workload.streaming.has(endpoint));
  return random.pick(streaming.length > 0 ? streaming : among);
}

async function follower(stage: Stage): Promise<Member> {
  const leader = await stage.cluster.leader();
  return victim(
    stage,
    stage.cluster.members.filter((member) => member !== leader),
  );
}

/** Nothing passes between clients and a member, in one direction or both; the member does not detect it. */
const stalled =
  (way: Way): Fault =>
  async (stage) => {
    stallClients(victim(stage), way);
    await delay(LASTS_MS);
    stage.cluster.heal();
  };

async function restartInTurn({ cluster, random }: Stage): Promise<void> {
  for (const { server } of cluster.members) {
    await server.restart();
    await cluster.settled();
    await delay(random.int(0, 300));
  }
}

async function stopped(member: Member): Promise<void> {
  await member.server.pause();
  await delay(LASTS_MS);
  await member.server.resume();
}

/** The faults of every cluster, by their names in the table. */
export const FAULTS = {
  'leader killed': async ({ cluster, random }) => {
    const { server } = await cluster.leader();
    await server.kill();
    await delay(random.int(1_500, 2_500));
    await server.restart();
  },
  'follower stopped': async (stage) => stopped(await follower(stage)),
  'leader stopped': async ({ cluster }) => stopped(await cluster.leader()),
  'rolling restart': restartInTurn,
  'stalled to one': stalled('in'),
  'stalled from one': stalled('out'),
  'partition of one': async (stage) => {
    const { cluster } = stage;
    const member = victim(stage);
    stallClients(member, 'both');
    stallPeers(member, cluster.members, 'both');
    await delay(LASTS_MS);
    cluster.heal();
  },
  // The member responds to clients, but receives no new changes.
  'follower parted from its peers': async (stage) => {
    stallPeers(await follower(stage), stage.cluster.members, 'both');
    await delay(LASTS_MS);
    stage.cluster.heal();
  },
  'all down for 5 s': async ({ cluster, mendable }) => {
    await Promise.all(cluster.members.map(({ server }) => server.kill()));
    await delay(5_000);
    await Promise.all(cluster.members.map(({ server }) => server.restart()));
    mendable();
  },
  'connections cut': async ({ cluster, random }) => {
    for (const { client } of cluster.members) {
      client.down.cutAfter(random.int(1, 20_000));
      client.up.cutAfter(random.int(1, 20_000));
    }
    await delay(1_500);
  },
} satisfies Record<string, Fault>;

/** The faults of a cluster with TLS. */
export const TLS_FAULTS = {
  'certificate rotated': async (stage) => {
    await stage.cluster.tls?.rotate();
    await restartInTurn(stage);
  },
} satisfies Record<string, Fault>;

/** The lifetime of an unused token in the clusters of these faults, in seconds. */
export const TOKEN_TTL = 2;

/** The number of authentications, as counted by the members. */
async function authentications({ members }: FaultCluster): Promise<number> {
  const texts = await Promise.all(members.map(({ server }) => getText(`${server.endpoint}/metrics`, server.clientTls)));
  const counts = texts.flatMap((text) => [...text.matchAll(/^grpc_server_handled_total\{[^}]*grpc_method="Authenticate"[^}]*\} (\d+)$/gm)]);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** The faults of a cluster with auth. */
export const AUTH_FAULTS = {
  // Each use of a token extends its lifetime, so no client may use it. Servers remove expired tokens once per second.
  'token expired': async ({ cluster, workload, mendable }) => {
    const before = await authentications(cluster);
    workload.hold();
    await delay((TOKEN_TTL + 1.5) * 1_000);
    workload.go();
    mendable();
    await waitFor('somebody had to authenticate', async () => (await authentications(cluster)) > before || undefined);
  },
} satisfies Record<string, Fault>;
