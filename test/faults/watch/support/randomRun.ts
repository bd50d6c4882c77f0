import { firstValueFrom } from 'rxjs';
import type { StreamOptions } from '../../../../src/index.js';
import { History } from '../../../support/watchGuarantees.js';
import type { EtcdServer } from '../../../support/etcd/index.js';
import { askedSeed, randomFrom, type Random } from '../../../support/random.js';
import { forLongMessages, has } from './transports.js';
import { faultsOf, strike, type FaultKind, type Weights, type Witness } from './faults.js';
import { setScene, type Scene, type SceneOptions } from './scene.js';
import { Watches } from './watches.js';
import { Writers } from './writers.js';
import { waitFor } from '../../../support/waitFor.js';

export interface RunOptions extends SceneOptions {
  readonly transport: NonNullable<StreamOptions['transport']>;
  readonly faults: Weights;
  /**
   * The run continues until this many connections were cut, this many events delivered, and each fault occurred; before
   * 3.5 half as many.
   */
  readonly cuts: number;
  readonly events: number;
  /** The number of revisions that the slowest watch may be behind before the writers wait for it. Default 1 000. */
  readonly lag?: number;
}

/** The limit of a run that hangs: a quiet machine takes a tenth of it, and a busy one several times as long. */
const LONGEST_MS = 240_000;
/** The timeout of the test, in milliseconds: it includes the wait for missing events at the end. */
export const PATIENCE_MS = LONGEST_MS + 120_000;

/** The minimum number of revisions that the watches miss before a compaction. */
const MISSED = 50;

/**
 * Returns the share of the work for this server: the newest etcd gets the most, so that there is time for the older
 * ones, too.
 */
const shareOf = (server: EtcdServer): number => (has(server, '3.5') ? 1 : 0.5);

/** Runs writers, watches and faults together; throws, with the seed, if a watch violated a guarantee. */
export async function randomRun(title: string, options: RunOptions): Promise<void> {
  const random = randomFrom(askedSeed());
  const begun = performance.now();
  const scene = await setScene(options);
  const name = `etcd ${scene.server.version}, ${title}`;
  print(`${name}: SEED=${random.seed}`);
  try {
    const figures = await run(scene, random, options);
    print(`${name}: ${figures}, ${((performance.now() - begun) / 1000).toFixed(1)} s, SEED=${random.seed}`);
  } catch (cause) {
    throw new Error(`${name}, SEED=${random.seed}: ${String(cause)}`, { cause });
  } finally {
    await scene.close();
  }
}

async function run(scene: Scene, random: Random, { transport, faults, lag = 1_000, ...amounts }: RunOptions): Promise<string> {
  const share = shareOf(scene.server);
  const [cuts, events] = [amounts.cuts * share, amounts.events * share];
  const client = scene.client({ transport: forLongMessages(transport, scene.server) });
  let losses = 0;
  client.connection$.subscribe(({ status }) => (losses += status === 'reconnecting' ? 1 : 0));
  const watches = new Watches(client, random.fork('watches'));
  const writers = new Writers(scene.direct, random.fork('writers'), {
    count: 8,
    mayGo: (revision) => watches.failed || revision - watches.slowest() < lag,
  });
  const witness: Witness = {
    losses: () => losses,
    ask: () => watches.join(writers.revision, true),
    overtake: async () => {
      // Some watches are ahead of others, but all may be up to date at this point. The watches also receive events that are
      // already on their way.
      const before = writers.revision;
      await waitFor('something is missed', () => writers.revision >= before + MISSED || writers.revision >= watches.slowest() + lag);
      await watches.overtake(writers.puts, (revision) => firstValueFrom(scene.direct.kv.compact(revision)));
    },
  };
  const schedule = random.fork('faults');
  const nextFault = faultsOf(schedule, faults);
  const done = new Map<FaultKind, number>();
  const count = (kind: FaultKind): number => done.get(kind) ?? 0;
  try {
    const deadline = performance.now() + LONGEST_MS;
    while (count('cut') < cuts || watches.delivered < events || done.size < Object.keys(faults).length) {
      if (performance.now() > deadline) throw new Error(`only ${count('cut')} cuts and ${watches.delivered} events in ${LONGEST_MS} ms`);
      const fault = nextFault();
      const settle = schedule.chance(0.1);
      if (schedule.chance(0.3)) watches.join(writers.revision);
      await strike(fault, scene, witness);
      done.set(fault.kind, count(fault.kind) + 1);
      const due = writers.revision;
      if (settle) await waitFor('the watches have come back', () => watches.failed || watches.slowest() >= due - 50);
      if (watches.failed) break;
    }
  } finally {
    await writers.stop();
  }
  const history = new History(writers.written);
  await watches.finish(history);
  const faultsDone = [...done].map(([kind, times]) => `${times} × ${kind}`).join(', ');
  return `${faultsDone}; ${watches.delivered} events of ${history.revisions.length} revisions to ${watches.all.length} watches, ${watches.overtaken} of them overtaken, ${losses} streams lost`;
}

/** A summary of the run. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
