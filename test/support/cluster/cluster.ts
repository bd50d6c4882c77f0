import { firstValueFrom } from 'rxjs';
import { createClient, type ClientOptions } from '../../../src/index.js';
import { findEtcd } from '../etcd/index.js';
import { retryPorts } from '../etcd/server.js';
import { follows, heal, leads, type Member } from './member.js';
import { makeRotatingTls } from './rotatingTls.js';
import { startMembers, stopMember } from './start.js';
import type { FaultCluster, FaultClusterOptions } from './types.js';
import { wipe } from './wipe.js';
import { waitFor } from '../waitFor.js';

export type { FaultCluster, FaultClusterOptions } from './types.js';

export const ROOT = { username: 'root', password: 'secret of root' };

export async function startFaultCluster(options: FaultClusterOptions = {}): Promise<FaultCluster> {
  const source = await findEtcd({ version: options.version, asProcess: true });
  if (source.kind !== 'binary') throw new Error('signals can be sent to a process only');
  const tls = options.tls === true ? await makeRotatingTls() : undefined;
  const cleanUp: (() => Promise<unknown>)[] = tls === undefined ? [] : [tls.remove];
  const stop = async (): Promise<void> => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  };
  try {
    const members = await retryPorts(() => startMembers(source, options, tls?.server));
    cleanUp.push(() => Promise.all(members.map(stopMember)));
    const access = { ...(tls && { tls: tls.client }), ...(options.auth === true && { auth: ROOT }) };
    const addresses = { ...access, endpoints: members.map(({ server }) => server.endpoint) };
    if (options.auth === true) await enableAuth(addresses);
    const direct = createClient(addresses);
    cleanUp.push(() => direct.close());
    const cluster: FaultCluster = {
      version: source.version,
      members,
      endpoints: members.map(({ endpoint }) => endpoint),
      tls,
      access,
      direct,
      leader: () => waitFor('one leads', () => theLeader(members)),
      settled: async () =>
        void (await waitFor('one leads, and all know a leader', async () => {
          const [leader, knowing] = await Promise.all([theLeader(members), those(members, follows)]);
          return leader !== undefined && knowing.length === members.length;
        })),
      wipe: (member) => wipe(member, cluster),
      heal: () => heal(members),
      stop,
    };
    return cluster;
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Turns auth on, with {@link ROOT}, and closes the client. If certificates are required, a call without a token would
 * be rejected from then on.
 */
export async function enableAuth(addresses: ClientOptions): Promise<void> {
  const etcd = createClient(addresses);
  try {
    await firstValueFrom(etcd.auth.userAdd(ROOT.username, { password: ROOT.password }));
    await firstValueFrom(etcd.auth.roleAdd('root'));
    await firstValueFrom(etcd.auth.userGrantRole('root', 'root'));
    await firstValueFrom(etcd.auth.enable());
  } finally {
    await etcd.close();
  }
}

/** Returns the leader; undefined if there is none, or if a partitioned member still believes that it leads. */
async function theLeader(members: readonly Member[]): Promise<Member | undefined> {
  const leading = await those(members, leads);
  return leading.length === 1 ? leading[0] : undefined;
}

/** Returns the members that fulfil a condition. */
async function those(members: readonly Member[], isSo: (member: Member) => Promise<boolean>): Promise<Member[]> {
  const answers = await Promise.all(members.map(isSo));
  return members.filter((_, index) => answers[index]);
}
