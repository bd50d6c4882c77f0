import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { filter, firstValueFrom } from 'rxjs';
import { createClient, type Client, type StreamOptions } from '../../src/index.js';
import { startNamespacedCluster, type NamespacedCluster, type NamespacedMember } from '../support/cluster/netns/cluster.js';
import { namespacesRefused, netemRefused } from '../support/cluster/netns/rights.js';
import { projectRoot } from '../support/etcd/project.js';
import { runs } from './support/runs.js';
import { stopwatch } from '../support/stopwatch.js';
import { waitFor } from '../support/waitFor.js';

const refused = namespacesRefused();
const NOBODY = { uid: 65_534, gid: 65_534 };

test('a missing right for network namespaces is reported', () => {
  expect(namespacesRefused({ env: { PATH: '/nowhere' } })).toMatch(/not on PATH: ip, unshare, nsenter|Linux's/);
  // Only root may create network namespaces, and only root can become another user.
  if (refused === undefined) expect(namespacesRefused(NOBODY)).toMatch(/failed with \d+: .*Operation not permitted/);
});

if (refused === undefined) describe('a cluster with each member on a separate host', hosts);
else {
  test('is not created without the rights for network namespaces, and the error gives the reason', async () => {
    process.stdout.write(`\nNOT TESTED: clusters in network namespaces: ${refused}\n`);
    await expect(startNamespacedCluster()).rejects.toThrow(refused);
  });
}

/**
 * Reads at a steady rate until the returned function is called; that returns the time of the slowest read, and the
 * failures.
 */
function readSteadily(client: Client): () => Promise<{ slowest: number; failed: string[] }> {
  const failed: string[] = [];
  const reads: Promise<number>[] = [];
  const read = async (): Promise<number> => {
    const elapsed = stopwatch();
    await firstValueFrom(client.kv.get('a')).catch((error: unknown) => failed.push(String(error)));
    return elapsed().awakeMs;
  };
  const timer = setInterval(() => reads.push(read()), 20);
  return async () => {
    clearInterval(timer);
    return { slowest: Math.max(...(await Promise.all(reads))), failed };
  };
}

/** Another one, held by a process that keeps running. */
async function startElsewhere() {
  const script = 'test/cluster/support/namespacedStarter.ts';
  const child = spawn(process.execPath, ['--import', 'tsx', script], { cwd: projectRoot(), stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, ...(JSON.parse(line) as { readonly pids: number[]; readonly network: string }) };
}

function hosts(): void {
  let cluster: NamespacedCluster;
  let another: ReturnType<typeof startElsewhere>;
  const clients: Client[] = [];
  let written = 0;

  beforeAll(async () => {
    another = startElsewhere();
    cluster = await startNamespacedCluster();
    await another;
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(async () => {
    (await another).child.kill('SIGKILL');
    await cluster.stop();
  });

  const clientOf = (members: readonly NamespacedMember[], streams: StreamOptions = {}): Client => {
    const client = createClient({ endpoints: members.map(({ endpoint }) => endpoint), streams });
    clients.push(client);
    return client;
  };
  const others = (member: NamespacedMember): NamespacedMember[] => cluster.members.filter((other) => other !== member);
  /** Writes once more, at one of these members. */
  const write = (...members: readonly NamespacedMember[]): Promise<unknown> =>
    firstValueFrom(clientOf(members).kv.put('a', String(++written)));

  /** Partitions one member, and returns the effect on a client whose watch has its stream there. */
  async function cutOff(cut: NamespacedMember, streams: StreamOptions = {}) {
    const client = clientOf([cut], streams);
    const seen: string[] = [];
    const lost: string[] = [];
    client.watch('a').subscribe({ next: ({ kv }) => seen.push(kv.value), error: (error: unknown) => seen.push(String(error)) });
    client.connection$.subscribe((state) => state.status === 'reconnecting' && lost.push(state.cause.message));
    await firstValueFrom(client.connection$.pipe(filter(({ status }) => status === 'connected')));
    client.setEndpoints(cluster.endpoints);
    const reads = readSteadily(client);
    const first = written + 1;
    await write(cut);
    await waitFor('the watch sees it', () => seen.length === 1);
    const elapsed = stopwatch();
    await cut.link.down();
    await cluster.leader(others(cut));
    await write(...others(cut));
    await waitFor('the watch goes on', () => seen.length === 2);
    expect(elapsed().awakeMs).toBeLessThan(5_000);
    // No connection was refused or closed: the missing responses were detected.
    expect(lost[0]).toMatch(/no response to a heartbeat/);
    return {
      client,
      seen,
      /** Runs the whole scenario. */
      verify: async () => {
        const { slowest, failed } = await reads();
        expect(failed).toEqual([]);
        expect(slowest).toBeLessThan(2_000);
        expect(seen).toEqual(Array.from({ length: written + 1 - first }, (_, index) => String(first + index)));
      },
    };
  }

  test('accepts slow links, or reports why it cannot', async () => {
    const [slow] = cluster.members;
    if (slow === undefined) throw new Error('there is no member');
    const lacking = netemRefused();
    if (lacking !== undefined) {
      process.stdout.write(`\nNOT TESTED: links that delay and lose packets: ${lacking}\n`);
      await expect(slow.link.impair('delay 50ms')).rejects.toThrow(/tc qdisc replace .* ended with/);
      return;
    }
    await slow.link.impair('delay 50ms loss 1%');
    const start = performance.now();
    await write(slow);
    expect(performance.now() - start).toBeGreaterThan(50);
  });

  test('leaves nothing behind when its process is killed', async () => {
    const { child, pids, network } = await another;
    expect([...pids.map(runs), network in networkInterfaces()]).toEqual([true, true]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await waitFor('all is gone', () => !pids.some(runs) && !(network in networkInterfaces()));
  });

  test('survives an unplugged cable of a member, which rejoins afterwards', async () => {
    const leader = await cluster.leader();
    const cut = others(leader)[0] ?? leader;
    const { client, seen, verify } = await cutOff(cut, { heartbeatMs: 500, responseTimeoutMs: 1_000 });
    await cut.link.up();
    await cluster.settled();
    await write(cut);
    await waitFor('the watch sees what is written there', () => seen.length === 3);
    await firstValueFrom(client.kv.get('a', { endpoint: cut.endpoint }));
    await verify();
  });

  test('survives an unplugged cable of its leader', async () => {
    const { verify } = await cutOff(await cluster.leader());
    await verify();
  });
}
