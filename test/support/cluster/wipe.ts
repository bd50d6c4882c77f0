import { firstValueFrom, retry, throwError, timer, type Observable } from 'rxjs';
import { createClient, hasReason } from '../../../src/index.js';
import type { FaultCluster } from './types.js';
import { leads, type Member } from './member.js';
import { waitFor } from '../waitFor.js';

/** Takes a member out of a cluster, with its data, and lets it join anew: with the addresses that it had, and another id. */
export async function wipe(member: Member, { members, access }: FaultCluster): Promise<void> {
  const { server } = member;
  const others = members.filter((other) => other !== member);
  // Not by the one that is to go.
  const etcd = createClient({ ...access, endpoints: others.map((other) => other.server.endpoint) });
  try {
    const { members: before } = await firstValueFrom(etcd.cluster.memberList());
    const old = before.find(({ peerUrls }) => peerUrls.includes(server.peerUrl ?? ''));
    if (old === undefined) throw new Error(`${server.name} is not a member`);
    // The others must have seen each other for a while before the cluster lets anybody go, or takes anybody in.
    const whenHealthy = <T>(call: Observable<T>): Promise<T> =>
      firstValueFrom(
        call.pipe(retry({ delay: (error: unknown) => (hasReason(error, 'Unhealthy') ? timer(200) : throwError(() => error)) })),
      );
    await whenHealthy(etcd.cluster.memberRemove(old.id));
    if (server.pid !== undefined) await server.kill();
    // What is asked for between two leaders may never be answered.
    await waitFor('one of the others leads', async () => (await Promise.all(others.map(leads))).includes(true) || undefined);
    const { member: joined, members: all } = await whenHealthy(etcd.cluster.memberAdd(old.peerUrls));
    member.id = BigInt(joined.id).toString(16);
    const initialCluster = all.map(({ id, name, peerUrls }) => `${id === joined.id ? server.name : name}=${peerUrls[0] ?? ''}`).join(',');
    await server.restart({ wipe: true, args: ['--initial-cluster', initialCluster, '--initial-cluster-state', 'existing'] });
  } finally {
    await etcd.close();
  }
}
