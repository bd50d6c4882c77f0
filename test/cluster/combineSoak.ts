/**
 * Checks `combineLive` for the requested number of states. On clusters with every fault at random: `npx tsx
 * test/cluster/combineSoak.ts --states 100000 --seed 1 --version 3.5`, with TLS and HTTP/2 by `--tls`. On an etcd in
 * memory, in virtual time: `--memory`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { catchError, firstValueFrom, lastValueFrom, map, of, timer, type Subscription } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { createClient, put, type Client, type ClientOptions, type StreamOptions } from '../../src/index.js';
import { createTestEtcd, type TestServer } from '../../src/testing/index.js';
import { forLongMessages, type TransportOption } from '../faults/watch/support/transports.js';
import { startFaultCluster, type FaultCluster, type FaultClusterOptions } from '../support/cluster/cluster.js';
import { combinedSums, latestSums } from '../support/composed/sums.js';
import { KEYS, SUM, Transfers } from '../support/composed/transfers.js';
import { WholeChecker, type Whole } from '../support/composed/wholeChecker.js';
import { randomFrom, type Random } from '../support/random.js';
import { waitFor } from '../support/waitFor.js';
import { FAULTS, type Fault } from '../support/workload/faults.js';

const WRITERS = 3;
/** The number of states after which a new cluster is started. All revisions are held in memory until then. */
const STATES_A_ROUND = 200_000;
/** The timeout of a wait. The run has the lowest priority, on a machine that may do other work. */
const BUSY_MS = 300_000;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** A subscriber, and the checker of what it sees. */
interface Checked {
  readonly name: string;
  readonly checker: WholeChecker;
  readonly subscription: Subscription;
}

function check(name: string, source: ReturnType<typeof combinedSums>): Checked {
  const checker = new WholeChecker(SUM);
  const subscription = source.subscribe({
    next: (state: Whole) => checker.accept(state),
    error: (error: unknown) => checker.fail(error),
  });
  return { name, checker, subscription };
}

const reach = (all: readonly Checked[], revision: number): boolean => all.every(({ checker }) => (checker.last?.revision ?? 0) >= revision);

const stateOf = ({ name, checker: { count, resyncs, torn, last, problem = '' } }: Checked): string =>
  `${name} ${count} states, ${resyncs} lists, ${torn} torn, at ${last?.revision ?? 0} ${problem}`;

const newestOf = (transfers: readonly Transfers[]): number => Math.max(...transfers.map(({ newest }) => newest));

const writersOf = (client: Client, random: Random): readonly Transfers[] =>
  Array.from({ length: WRITERS }, (_, index) => new Transfers(client, random.fork(`writer ${index}`)));

/** Prints what was checked. Returns the problems that were found. */
function report(all: readonly Checked[], transfers: readonly Transfers[]): readonly string[] {
  const written = transfers.flatMap(({ revisions }) => [...revisions]);
  return all.flatMap(({ name, checker }) => {
    const faults = checker.faults(written);
    print(`  ${name}: ${checker.count} states, ${checker.resyncs} new lists, ${checker.torn} torn`);
    return faults.map((what) => `${name}: ${what}`);
  });
}

/** Clients of a cluster, for each transport. */
function clientsOf({ version, endpoints, access, tls }: FaultCluster) {
  const quick: StreamOptions = { heartbeatMs: 500, responseTimeoutMs: 1_000, initialBackoffMs: 10, maxBackoffMs: 200 };
  const options: ClientOptions = { ...access, endpoints, requestTimeoutMs: 2_000 };
  const transports: readonly TransportOption[] = tls === undefined ? ['websocket', 'chunked'] : ['http2', 'websocket', 'chunked'];
  return transports.flatMap((given) => {
    const transport = forLongMessages(given, { version });
    const client = (): Client => createClient({ ...options, streams: { ...quick, transport } });
    // Two of each, as a fault may hit the member of one of them only.
    return [1, 2].map((index) => ({ name: `${transport} ${index}`, client: client() }));
  });
}

/** Waits until a cluster has recovered, for longer than a test would. */
async function settled(cluster: FaultCluster): Promise<void> {
  for (let left = BUSY_MS / 60_000; left > 1; left--) {
    try {
      return await cluster.settled();
    } catch {
      print('  the cluster is not well yet');
    }
  }
  await cluster.settled();
}

/** Prints what each member has at the revisions around the one that a problem names. */
async function printHistory({ members, access }: FaultCluster, problem: string): Promise<void> {
  print(`  ${problem}`);
  const revision = Number(/revision (\d+)/.exec(problem)?.[1] ?? 0);
  for (const { server } of members) {
    const client = createClient({ ...access, endpoints: server.endpoint });
    for (const at of [revision - 1, revision]) {
      // The revision may have been compacted.
      const shown$ = client.kv.range({ prefix: 'sum/' }, { revision: at, serializable: true }).pipe(
        map(({ kvs }) => kvs.map(({ key, value, modRevision }) => `${key}=${value}@${modRevision}`).join(' ')),
        catchError((error: unknown) => of(String(error))),
      );
      print(`  ${server.endpoint} at ${at}: ${await firstValueFrom(shown$)}`);
    }
    await client.close();
  }
}

/** Runs a cluster with faults until a number of states was seen. */
async function onCluster(states: number, random: Random, options: FaultClusterOptions, faults: readonly (readonly [string, Fault])[]) {
  const cluster = await startFaultCluster(options);
  const clients = clientsOf(cluster);
  try {
    const transfers = writersOf(cluster.direct, random);
    for (const writer of transfers) await lastValueFrom(writer.rewrite());
    const all = clients.map(({ name, client }) => check(`etcd ${cluster.version}, ${name}`, combinedSums(client)));
    const torn = clients.slice(0, 1).map(({ name, client }) => check(`combineLatest, ${name}`, latestSums(client)));
    await waitFor('all have begun', () => all.every(({ checker }) => checker.count > 0), BUSY_MS);
    let writing = true;
    const written = Promise.all(transfers.map((writer) => lastValueFrom(writer.run(() => writing))));
    // Without writers no state would follow, and the run would have no end.
    let writerFailed: unknown;
    written.catch((error: unknown) => (writerFailed = error));
    const holding = (): boolean => writerFailed === undefined && all.every(({ checker }) => checker.problem === undefined);
    const count = (): number => all.reduce((sum, { checker }) => sum + checker.count, 0);
    const stage = {
      cluster,
      random,
      mendable: () => undefined,
      workload: { streaming: new Set<string>(), hold: () => undefined, go: () => undefined },
    };
    while (count() < states && holding()) {
      const [name, fault] = random.pick<readonly [string, Fault]>(faults);
      print(`  ${new Date().toISOString()} ${name}: ${all.map(stateOf).join('; ')}; newest ${newestOf(transfers)}`);
      const struck = fault(stage);
      // While some of the watches are disconnected, a part of the events that they miss is compacted.
      if (random.chance(0.5)) {
        await delay(random.int(500, 3_000));
        await firstValueFrom(cluster.direct.kv.compact(newestOf(transfers))).catch(() => undefined);
      }
      await struck;
      await settled(cluster);
      const due = newestOf(transfers);
      await waitFor(`the states go on after ${name}`, () => !holding() || reach(all, due), BUSY_MS).catch((error: unknown) => {
        throw new Error(`${String(error)}; ${all.map(stateOf).join('; ')}, due ${due}`, { cause: error });
      });
      await delay(random.int(0, 5_000));
    }
    writing = false;
    await written;
    const [last] = transfers;
    if (last !== undefined) await lastValueFrom(last.rewrite());
    // A txn whose outcome is unknown may be committed after it.
    await waitFor('the last state', () => !holding() || reach(all, newestOf(transfers)), BUSY_MS);
    for (const { subscription } of [...all, ...torn]) subscription.unsubscribe();
    for (const { name, checker } of torn) print(`  ${name}: ${checker.count} states, ${checker.torn} torn`);
    for (const { checker } of all) if (checker.problem !== undefined) await printHistory(cluster, checker.problem);
    return { states: count(), wrong: report(all, transfers), torn: torn.reduce((sum, { checker }) => sum + checker.torn, 0) };
  } finally {
    await Promise.all(clients.map(({ client }) => client.close()));
    await cluster.stop();
  }
}

const spreadEvenly = (server: TestServer): unknown => server.txn({ success: KEYS.map((key) => put(key, String(SUM / KEYS.length))) });

/** Does something random to the etcd in memory. */
function strike(server: TestServer, random: Random, after: (ms: number, run: () => void) => void): void {
  const fault = random.pick(['cut', 'restart', 'away', 'compact', 'stall'] as const);
  const ms = random.int(1, 500);
  if (fault === 'cut') server.breakConnections();
  if (fault === 'restart') server.restart();
  if (fault === 'away') {
    server.disconnect();
    after(ms, () => server.connect());
  }
  if (fault === 'compact') {
    server.disconnect();
    after(ms, () => {
      // The client misses these writes, as all members are down.
      for (let count = 0; count < 3; count++) spreadEvenly(server);
      server.compact();
      server.connect();
    });
  }
  if (fault === 'stall') {
    server.stall(random.pick(['requests', 'responses']));
    after(ms, () => server.resume());
  }
}

/** Runs an etcd in memory, in virtual time. */
function inMemory(states: number, random: Random) {
  let result = { states: 0, wrong: [] as readonly string[], torn: 0 };
  new TestScheduler(() => undefined).run(({ flush }) => {
    const { server, etcd } = createTestEtcd({ latencyMs: 1, client: { streams: { initialBackoffMs: 10, maxBackoffMs: 200 } } });
    const writer = server.createClient();
    spreadEvenly(server);
    const transfers = writersOf(writer, random);
    const all = [check('in memory', combinedSums(etcd))];
    const torn = check('combineLatest, in memory', latestSums(etcd));
    const count = (): number => all.reduce((sum, { checker }) => sum + checker.count, 0);
    const after = (ms: number, run: () => void): void => void timer(ms).subscribe(run);
    let writing = 0;
    const goOn = (): boolean => count() < states && all[0]?.checker.problem === undefined;
    const end = (): void => {
      writing -= 1;
      if (writing > 0) return;
      after(60_000, () => {
        for (const { subscription } of [...all, torn]) subscription.unsubscribe();
        result = { states: count(), wrong: report(all, transfers), torn: torn.checker.torn };
        void server.close();
      });
    };
    for (const each of transfers) {
      writing += 1;
      each.run(goOn, timer(1)).subscribe({ error: (error: unknown) => all[0]?.checker.fail(error), complete: end });
    }
    const schedule = random.fork('faults');
    const next = (): void =>
      after(schedule.int(100, 1_000), () => {
        if (!goOn()) return;
        strike(server, schedule, after);
        after(500, next);
      });
    next();
    flush();
  });
  return result;
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { states: text, seed: text, version: text, memory: { type: 'boolean' }, tls: { type: 'boolean' }, fault: text },
  });
  const states = Number(values.states ?? 100_000);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  print(`SEED=${seed}, ${states} states`);
  const faults = Object.entries(FAULTS).filter(([name]) => values.fault === undefined || values.fault === name);
  const begun = performance.now();
  const wrong: string[] = [];
  let [seen, torn] = [0, 0];
  for (let round = 1; seen < states && wrong.length === 0; round++) {
    const random = randomFrom(seed).fork(`round ${round}`);
    const part = Math.min(states - seen, STATES_A_ROUND);
    const checked =
      values.memory === true
        ? inMemory(part, random)
        : await onCluster(part, random, { version: values.version, tls: values.tls === true }, faults);
    seen += checked.states;
    torn += checked.torn;
    wrong.push(...checked.wrong);
  }
  if (torn === 0) wrong.push('combineLatest was not torn once: the check finds nothing');
  print(
    `${seen} states in ${Math.round((performance.now() - begun) / 1_000)} s, SEED=${seed}: ${wrong.length === 0 ? 'all held' : wrong.join('\n')}`,
  );
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 2;
});
