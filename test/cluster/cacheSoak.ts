/**
 * Checks that the reads of a cache are linearizable, on a cluster with every fault at random:
 * `npx tsx test/cluster/cacheSoak.ts --reads 100000 --seed 1 --version 3.5`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { firstValueFrom } from 'rxjs';
import { createClient, type Cache, type StreamOptions } from '../../src/index.js';
import { LinearizabilityChecker } from '../support/cache/linearizability.js';
import { PREFIX, readAtRandom, writeAtRandom } from '../support/cache/players.js';
import { startFaultCluster } from '../support/cluster/cluster.js';
import { randomFrom } from '../support/random.js';
import { waitFor } from '../support/waitFor.js';
import { FAULTS, type Fault } from '../support/workload/faults.js';

const WRITERS = 3;
/** The readers of each client: most are linearizable. They are many, so that reads wait for the same request. */
const READERS = Array.from({ length: 40 }, (_, index) => (index % 20 === 0 ? ('local' as const) : ('linearizable' as const)));

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { reads: text, seed: text, version: text } });
  const reads = Number(values.reads ?? 100_000);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  print(`SEED=${seed}, ${reads} reads`);
  const random = randomFrom(seed);
  const cluster = await startFaultCluster({ version: values.version });
  const quick: StreamOptions = { heartbeatMs: 500, responseTimeoutMs: 1_000, initialBackoffMs: 10, maxBackoffMs: 200 };
  const clients = (['websocket', 'chunked'] as const).map((transport) =>
    createClient({ endpoints: cluster.endpoints, requestTimeoutMs: 2_000, streams: { ...quick, transport } }),
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
    const caches = clients.map((client) => {
      const holder: { cache?: Cache } = {};
      client.cache({ prefix: PREFIX }).subscribe({ next: (cache) => (holder.cache = cache), error: fail });
      return holder;
    });
    await waitFor('the caches', () => caches.every(({ cache }) => cache !== undefined));
    let going = true;
    const mayGo = (): boolean => going;
    const players = [
      ...Array.from({ length: WRITERS }, (_, index) => writeAtRandom(cluster.direct, random.fork(`writer ${index}`), both, mayGo)),
      ...caches.flatMap((holder, client) =>
        READERS.map((consistency, index) =>
          readAtRandom(
            () => holder.cache,
            random.fork(`reader ${client} ${index}`),
            consistency === 'local' ? local : fresh,
            consistency,
            mayGo,
          ),
        ),
      ),
    ];
    for (const player of players) player.catch(fail);
    const stage = {
      cluster,
      random,
      mendable: () => undefined,
      workload: { streaming: new Set<string>(), hold: () => undefined, go: () => undefined },
    };
    let lists = 0;
    const oldest = (): number => Math.max(...caches.map(({ cache }) => cache?.oldestRevision ?? 0));
    while (fresh.count < reads && problems.length === 0) {
      const [name, fault] = random.pick<readonly [string, Fault]>(Object.entries(FAULTS));
      print(
        `  ${new Date().toISOString()} ${name}: ${fresh.count} linearizable reads, ${local.count} local ones, history at ${fresh.revision}`,
      );
      const struck = fault(stage);
      // While a cache is away, what it misses is compacted now and then, and it has to list its range again.
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
    await Promise.allSettled(players);
    const end = await firstValueFrom(cluster.direct.kv.put(`${PREFIX}end`, ''));
    await waitFor('the end of the history', () => fresh.revision >= end.header.revision || problems.length > 0);
    const wrong = [...fresh.faults(), ...problems.map(String)];
    const stale = local.faults().length;
    if (stale === 0) wrong.push('no local read was stale: the check finds nothing');
    print(`${fresh.count} linearizable reads, ${local.count} local ones, of which ${stale} were stale; ${lists} times listed again`);
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
