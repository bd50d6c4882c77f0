import { firstValueFrom, retry, throwError, timer, type Observable } from 'rxjs';
import { createClient, hasReason } from '../../../src/index.js';
import type { FaultCluster } from './types.js';
import { leads, type Member } from './member.js';
import { waitFor } from '../waitFor.js';

/** Removes a member from a cluster, with its data, and lets it rejoin, with its old addresses and another id. */
export async function wipe(member: Member, { members, access }: FaultCluster): Promise<void> {
  const { server } = member;
  const others = members.filter((other) => other !== member);
  // A member other than the removed one.
  const etcd = createClient({ ...access, endpoints: others.map((other) => other.server.endpoint) });
  try {
    const { members: before } = await firstValueFrom(etcd.cluster.memberList());
    const old = before.find(({ peerUrls }) => peerUrls.includes(server.peerUrl ?? ''));
    if (old === undefined) throw new Error(`${server.name} is not a member`);
    // The cluster only removes or adds a member when the others have been connected for a while.
    const whenHealthy = <T>(call: Observable<T>): Promise<T> =>
      firstValueFrom(
        call.pipe(retry({ delay: (error: unknown) => (hasReason(error, 'Unhealthy') ? timer(200) : throwError(() => error)) })),
      );
    await whenHealthy(etcd.cluster.memberRemove(old.id));
    if (server.pid !== undefined) await server.kill();
    // A request during an election may get no response.
    await waitFor('one of the others leads', async () => (await Promise.all(others.map(leads))).includes(true) || undefined);
    const { member: joined, members: all } = await whenHealthy(etcd.cluster.memberAdd(old.peerUrls));
    member.id = BigInt(joined.id).toString(16);
    const initialCluster = all.map(({ id, name, peerUrls }) => `${id === joined.id ? server.name : name}=${peerUrls[0] ?? ''}`).join(',');
    await server.restart({ wipe: true, args: ['--initial-cluster', initialCluster, '--initial-cluster-state', 'existing'] });
  } finally {
    await etcd.close();
  }
}
