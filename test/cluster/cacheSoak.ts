/**
 * Checks that the reads of a cache are linearizable, on a cluster with every fault at random, each at least once:
 * `npx tsx test/cluster/cacheSoak.ts --reads 100000 --seed 1 --version 3.5`. With `--secured` the cluster has TLS and auth. With `--keys 200` the range is too
 * large for a summary in each request.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { firstValueFrom } from 'rxjs';
import { createClient, memberId, type Cache, type StreamOptions } from '../../src/index.js';
import { LinearizabilityChecker } from '../support/cache/linearizability.js';
import { PREFIX, readAtRandom, writeAtRandom } from '../support/cache/randomAccess.js';
import { startFaultCluster } from '../support/cluster/cluster.js';
import { randomFrom } from '../support/random.js';
import { waitFor } from '../support/waitFor.js';
import { AUTH_FAULTS, FAULTS, TLS_FAULTS, TOKEN_TTL, type Fault } from '../support/workload/faults.js';

const WRITERS = 3;
/**
 * The number of readers of each client, of which most are linearizable. There are many, so that several reads wait for
 * the same request.
 */
const READERS = Array.from({ length: 40 }, (_, index) => (index % 20 === 0 ? ('local' as const) : ('linearizable' as const)));

/** The pause of a reader between two reads, in milliseconds: the reads are spread over many faults. */
const PAUSE_MS = 200;

const FURTHER_FAULTS = {
  // The cache is out of date for as long as events are delayed.
  'slow answers': async ({ cluster, random }) => {
    for (const { client } of cluster.members) client.down.delayMs = random.int(20, 400);
    await delay(random.int(1_000, 4_000));
    for (const { client } of cluster.members) client.down.delayMs = 0;
  },
  'leader moved': async ({ cluster, random }) => {
    const leader = await cluster.leader();
    const to = random.pick(cluster.members.filter((member) => member !== leader));
    const { endpoint } = leader.server;
    await firstValueFrom(cluster.direct.maintenance.moveLeader(memberId(BigInt(`0x${to.id}`)), { endpoint }));
  },
  'data of a member lost': async ({ cluster, random }) => cluster.wipe(random.pick(cluster.members)),
  'connections cut again and again': async ({ cluster, random }) => {
    for (let cut = 0; cut < 10; cut++) {
      for (const { client } of cluster.members) client.cut();
      await delay(random.int(0, 400));
    }
  },
} satisfies Record<string, Fault>;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { reads: text, seed: text, version: text, keys: text, secured: { type: 'boolean' } } });
  const isSecured = values.secured === true;
  const reads = Number(values.reads ?? 100_000);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  print(`SEED=${seed}, ${reads} reads`);
  const random = randomFrom(seed);
  const cluster = await startFaultCluster({ version: values.version, ...(isSecured && { tls: true, auth: true, tokenTtl: TOKEN_TTL }) });
  const quick: StreamOptions = { heartbeatMs: 500, responseTimeoutMs: 1_000, initialBackoffMs: 10, maxBackoffMs: 200 };
  const clients = (['websocket', 'chunked'] as const).map((transport) =>
    createClient({ ...cluster.access, endpoints: cluster.endpoints, requestTimeoutMs: 2_000, streams: { ...quick, transport } }),
  );
  try {
    const [fresh, local] = [new LinearizabilityChecker(), new LinearizabilityChecker()];
    const both = [fresh, local];
    const problems: unknown[] = [];
    const fail = (error: unknown): void => void problems.push(error);
    cluster.direct.watchBatches({ prefix: PREFIX }, { startRevision: 1 }).subscribe({
      next: (batch) => both.forEach((checker) => checker.accept(batch)),
      error: fail,
    });
    for (let index = 0; index < Number(values.keys ?? 0); index++) {
      const ends = both.map((checker) => checker.beginWrite());
      const { header } = await firstValueFrom(cluster.direct.kv.put(`${PREFIX}more/${index}`, ''));
      for (const end of ends) end(header.revision, true);
    }
    const caches = clients.map((client) => {
      const holder: { cache?: Cache } = {};
      client.cache({ prefix: PREFIX }).subscribe({ next: (cache) => (holder.cache = cache), error: fail });
      return holder;
    });
    await waitFor('the caches', () => caches.every(({ cache }) => cache !== undefined));
    let going = true;
    let isPaused = false;
    const mayGo = (): boolean => going;
    const workers = [
      ...Array.from({ length: WRITERS }, (_, index) => writeAtRandom(cluster.direct, random.fork(`writer ${index}`), both, mayGo)),
      ...caches.flatMap((holder, client) =>
        READERS.map((consistency, index) =>
          readAtRandom(
            () => (isPaused ? undefined : holder.cache),
            random.fork(`reader ${client} ${index}`),
            consistency === 'local' ? local : fresh,
            consistency,
            mayGo,
            () => PAUSE_MS,
          ),
        ),
      ),
    ];
    for (const player of workers) player.catch(fail);
    const stage = {
      cluster,
      random,
      mendable: () => undefined,
      // The readers pause while a token expires.
      workload: { streaming: new Set<string>(), hold: () => (isPaused = true), go: () => (isPaused = false) },
    };
    const faults: readonly (readonly [string, Fault])[] = Object.entries({
      ...FAULTS,
      ...FURTHER_FAULTS,
      ...(isSecured && { ...TLS_FAULTS, ...AUTH_FAULTS }),
    });
    const struckBy = new Map<string, number>();
    let lists = 0;
    const oldest = (): number => Math.max(...caches.map(({ cache }) => cache?.oldestRevision ?? 0));
    while ((fresh.count < reads || struckBy.size < faults.length) && problems.length === 0) {
      const missing = faults.filter(([name]) => !struckBy.has(name));
      const [name, fault] = random.pick(missing.length > 0 ? missing : faults);
      struckBy.set(name, (struckBy.get(name) ?? 0) + 1);
      print(
        `  ${new Date().toISOString()} ${name}: ${fresh.count} linearizable reads, ${local.count} local ones, history at ${fresh.revision}`,
      );
      const struck = fault(stage);
      // While a cache is disconnected, the events that it misses are sometimes compacted, so that it has to list its range
      // again.
      if (random.chance(0.5)) {
        await delay(random.int(500, 3_000));
        const before = oldest();
        await firstValueFrom(cluster.direct.kv.compact(fresh.revision)).catch(() => undefined);
        await struck;
        if (oldest() > before) lists += 1;
      }
      await struck;
      await cluster.settled();
      const due = fresh.count + 100;
      await waitFor(`the reads go on after ${name}`, () => fresh.count >= due || problems.length > 0);
      await delay(random.int(0, 3_000));
    }
    going = false;
    await Promise.allSettled(workers);
    const end = await firstValueFrom(cluster.direct.kv.put(`${PREFIX}end`, ''));
    await waitFor('the end of the history', () => fresh.revision >= end.header.revision || problems.length > 0);
    const wrong = [...fresh.faults(), ...problems.map(String)];
    const stale = local.faults().length;
    if (stale === 0) wrong.push('no local read was stale: the check finds nothing');
    print(`${fresh.count} linearizable reads, ${local.count} local ones, of which ${stale} were stale; ${lists} times listed again`);
    print(`faults: ${[...struckBy].map(([name, count]) => `${count} × ${name}`).join(', ')}`);
    print(`SEED=${seed}, etcd ${cluster.version}: ${wrong.length === 0 ? 'all held' : wrong.slice(0, 10).join('\n')}`);
    process.exitCode = wrong.length === 0 ? 0 : 1;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await cluster.stop();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 2;
});
