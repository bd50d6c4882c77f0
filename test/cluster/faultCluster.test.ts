import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { startFaultCluster, type FaultCluster } from '../support/cluster/cluster.js';
import { leads, leadsNot, stallPeers, type Member } from '../support/cluster/member.js';
import { projectRoot } from '../support/etcd/project.js';
import { runs } from './support/runs.js';
import { waitFor } from '../support/waitFor.js';

let cluster: FaultCluster;
const others = (member: Member): Member[] => cluster.members.filter((other) => other !== member);

const anotherLeads = (former: Member) => async (): Promise<boolean> => (await Promise.all(others(former).map(leads))).some(Boolean);

/** Reads the value of a key from one member, without the others. */
const own = (member: Member, key: string) =>
  firstValueFrom(cluster.direct.kv.get(key, { serializable: true, endpoint: member.server.endpoint }));

beforeAll(async () => {
  cluster = await startFaultCluster();
});
afterAll(() => cluster.stop());

test('members advertise the addresses of their proxies to clients', async () => {
  const { members } = await firstValueFrom(cluster.direct.cluster.memberList());
  expect(members.flatMap(({ clientUrls }) => clientUrls).sort()).toEqual([...cluster.endpoints].sort());
});

test('a partitioned leader loses its leadership, receives nothing, and catches up after the partition heals', async () => {
  const leader = await cluster.leader();
  stallPeers(leader, cluster.members, 'both');
  await waitFor('another leads', anotherLeads(leader));
  const [witness] = others(leader);
  await firstValueFrom(cluster.direct.kv.put('parted', 'yes', { endpoint: witness?.server.endpoint ?? '' }));
  expect(await own(leader, 'parted')).toBeUndefined();
  cluster.heal();
  await cluster.settled();
  await waitFor('it has caught up', async () => (await own(leader, 'parted'))?.value === 'yes');
});

test('a leader whose messages reach no other member is replaced, although it receives theirs', async () => {
  const leader = await cluster.leader();
  stallPeers(leader, cluster.members, 'out');
  await waitFor('another leads', anotherLeads(leader));
  await waitFor('it follows that one', () => leadsNot(leader));
  cluster.heal();
  await cluster.settled();
});

test('a wiped member rejoins under another id, and receives all data', async () => {
  await firstValueFrom(cluster.direct.kv.put('kept', 'yes'));
  const [member] = cluster.members;
  if (member === undefined) throw new Error('there is no member');
  const { id } = member;
  await cluster.wipe(member);
  expect(member.id).not.toBe(id);
  await waitFor('it has caught up', async () => (await own(member, 'kept'))?.value === 'yes');
  expect((await firstValueFrom(cluster.direct.cluster.memberList())).members).toHaveLength(3);
});

test('a cluster leaves nothing behind when its process is interrupted by Ctrl-C', async () => {
  const script = 'test/cluster/support/starter.ts';
  const child = spawn(process.execPath, ['--import', 'tsx', script], { cwd: projectRoot(), stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const started = JSON.parse(line) as { readonly pids: number[]; readonly folders: string[] };
  expect(started.pids.map(runs)).toEqual([true, true, true]);
  expect(started.folders.map((folder) => existsSync(folder))).toEqual([true, true, true, true]);
  child.kill('SIGINT');
  await once(child, 'exit');
  await waitFor('all is gone', () => !started.pids.some(runs) && !started.folders.some((folder) => existsSync(folder)));
});
