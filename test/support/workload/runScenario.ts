import { setTimeout as delay } from 'node:timers/promises';
import { startFaultCluster, type FaultClusterOptions } from '../cluster/cluster.js';
import type { Random } from '../random.js';
import { slowness } from '../slowness.js';
import { awakeNow } from '../stopwatch.js';
import type { Fault } from './faults.js';
import { breachesOf, rowOf, type Row, type Struck } from './resultRow.js';
import { Workload, type Records } from './workload.js';

/** The result of a scenario. */
export interface Played {
  readonly version: string;
  readonly rows: readonly Row[];
  /** The violations. */
  readonly breaches: readonly string[];
}

export interface PlayOptions extends FaultClusterOptions {
  readonly random: Random;
  /** Returns the next fault; undefined ends the scenario. */
  readonly next: () => readonly [name: string, fault: Fault] | undefined;
  /**
   * How much longer than on a quiet machine everything may take. Default 1. If it is given, it grows with the time of
   * reads without a fault, and with the time for which this process waits for a core during a fault: a machine on which
   * these take long has no time left for a fault.
   */
  readonly slack?: number;
  /** Called when a fault begins. */
  readonly onFault?: (name: string) => void;
}

/** The time without a fault before the first one, and after each. */
const CALM_MS = 500;
/**
 * The median time of a read without a fault, on a machine that is not overloaded. A quiet machine takes a quarter of
 * it.
 */
const CALM_READ_MS = 20;

/** Runs a cluster with a workload, and one fault after the other. */
export async function play({ random, next, slack, onFault, ...options }: PlayOptions): Promise<Played> {
  const cluster = await startFaultCluster(options);
  const workload = new Workload(cluster, random.fork('workload'));
  const struck: (Omit<Struck, 'until'> & { readonly slowed: number })[] = [];
  const calms: number[] = [];
  const calm = (): Promise<unknown> => {
    calms.push(awakeNow());
    return delay(CALM_MS);
  };
  try {
    // Clients connect at this time, so it is no measure of the machine.
    await delay(CALM_MS);
    for (let chosen = next(); chosen !== undefined; chosen = next()) {
      const [name, fault] = chosen;
      onFault?.(name);
      const from = awakeNow();
      let mendable = from;
      const slowed = slowness();
      await fault({ cluster, workload, random: random.fork(`${name} ${struck.length}`), mendable: () => (mendable = awakeNow()) });
      await cluster.settled();
      await workload.calm();
      await calm();
      struck.push({ fault: name, from, mendable, slowed: slowed() });
    }
    const records = await workload.finish();
    const rows = struck.map((one, index) => rowOf({ ...one, until: struck[index + 1]?.from ?? awakeNow() }, records));
    const slackOf = (slowed = 1): number =>
      slack === undefined ? 1 : Math.max(slack, slack * slowed, calmRead(records, calms) / CALM_READ_MS);
    const breaches = [
      ...rows.flatMap((row, index) => breachesOf(row, slackOf(struck[index]?.slowed))),
      ...records.breaches.map(({ what }) => what),
    ];
    return { version: cluster.version, rows, breaches };
  } finally {
    await workload.close();
    await cluster.stop();
  }
}

/**
 * Returns the median time of the reads that began while there was no fault. A read that runs into the next fault counts
 * until that begins.
 */
function calmRead({ reads }: Records, calms: readonly number[]): number {
  const calmAt = (at: number): number | undefined => calms.find((begin) => at >= begin && at < begin + CALM_MS / 2);
  const times = reads.flatMap(({ begin, end }) => {
    const calm = calmAt(begin);
    return calm === undefined ? [] : [Math.min(end, calm + CALM_MS) - begin];
  });
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? CALM_MS;
}
