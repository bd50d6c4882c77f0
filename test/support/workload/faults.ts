import { setTimeout as delay } from 'node:timers/promises';
import type { FaultCluster } from '../cluster/types.js';
import { getText } from '../etcd/http.js';
import { stallClients, stallPeers, type Member, type Way } from '../cluster/member.js';
import type { Random } from '../random.js';
import type { Workload } from './workload.js';
import { waitFor } from '../waitFor.js';

/** What a fault happens to. */
export interface Stage {
  readonly cluster: FaultCluster;
  readonly workload: Pick<Workload, 'streaming' | 'hold' | 'go'>;
  readonly random: Random;
  /** Says that the cluster could go on from now on, where it could not before. */
  readonly mendable: () => void;
}

/** What goes wrong. Resolves when it is over, the cluster well again. */
export type Fault = (stage: Stage) => Promise<void>;

/** So long it lasts, where it does not end by itself: longer than a watch may take to find out. */
const LASTS_MS = 5_500;

/** One that has the stream of some watch, rather than one that has none. */
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

/** Nothing goes from clients to a member, or back; it does not notice. */
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

/** Those of every cluster, by the names of the table. */
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
  // It answers clients, but of nothing that happens.
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

/** Those of a cluster with TLS. */
export const TLS_FAULTS = {
  'certificate rotated': async (stage) => {
    await stage.cluster.tls?.rotate();
    await restartInTurn(stage);
  },
} satisfies Record<string, Fault>;

/** So long a token is good that nobody shows, in the clusters of these faults: seconds. */
export const TOKEN_TTL = 2;

/** How often somebody authenticated, as the members count it. */
async function authentications({ members }: FaultCluster): Promise<number> {
  const texts = await Promise.all(members.map(({ server }) => getText(`${server.endpoint}/metrics`, server.clientTls)));
  const counts = texts.flatMap((text) => [...text.matchAll(/^grpc_server_handled_total\{[^}]*grpc_method="Authenticate"[^}]*\} (\d+)$/gm)]);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Those of a cluster with auth. */
export const AUTH_FAULTS = {
  // Each use of a token makes it good for longer: nobody must show it. Servers look once a second what is over.
  'token expired': async ({ cluster, workload, mendable }) => {
    const before = await authentications(cluster);
    workload.hold();
    await delay((TOKEN_TTL + 1.5) * 1_000);
    workload.go();
    mendable();
    await waitFor('somebody had to authenticate', async () => (await authentications(cluster)) > before || undefined);
  },
} satisfies Record<string, Fault>;
