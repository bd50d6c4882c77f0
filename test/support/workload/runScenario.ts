import { setTimeout as delay } from 'node:timers/promises';
import { startFaultCluster, type FaultClusterOptions } from '../cluster/cluster.js';
import type { Random } from '../random.js';
import { awakeNow } from '../stopwatch.js';
import type { Fault } from './faults.js';
import { breachesOf, rowOf, type Row, type Struck } from './resultRow.js';
import { Workload, type Records } from './workload.js';

/** What came of faults. */
export interface Played {
  readonly version: string;
  readonly rows: readonly Row[];
  /** All that did not hold. */
  readonly breaches: readonly string[];
}

export interface PlayOptions extends FaultClusterOptions {
  readonly random: Random;
  /** What happens next; undefined: nothing more. */
  readonly next: () => readonly [name: string, fault: Fault] | undefined;
  /**
   * How much longer than on a quiet machine all may take: 1 if left out. Where it is given, it grows with the time that reads take while
   * nothing goes wrong: a machine on which they take long has no time left for a fault.
   */
  readonly slack?: number;
  /** Told of each as it begins. */
  readonly onFault?: (name: string) => void;
}

/** So long nothing happens before the first fault, and after each. */
const CALM_MS = 500;
/** So long a read takes in the middle, while nothing happens, on a machine that is not overloaded: a quiet one takes a quarter. */
const CALM_READ_MS = 20;

/** A cluster with a workload, and one fault after the other. */
export async function play({ random, next, slack, onFault, ...options }: PlayOptions): Promise<Played> {
  const cluster = await startFaultCluster(options);
  const workload = new Workload(cluster, random.fork('workload'));
  const struck: Omit<Struck, 'until'>[] = [];
  const calms: number[] = [];
  const calm = (): Promise<unknown> => {
    calms.push(awakeNow());
    return delay(CALM_MS);
  };
  try {
    // Clients connect meanwhile: no measure of the machine.
    await delay(CALM_MS);
    for (let chosen = next(); chosen !== undefined; chosen = next()) {
      const [name, fault] = chosen;
      onFault?.(name);
      const from = awakeNow();
      let mendable = from;
      await fault({ cluster, workload, random: random.fork(`${name} ${struck.length}`), mendable: () => (mendable = awakeNow()) });
      await cluster.settled();
      await workload.calm();
      await calm();
      struck.push({ fault: name, from, mendable });
    }
    const records = await workload.finish();
    const rows = struck.map((one, index) => rowOf({ ...one, until: struck[index + 1]?.from ?? awakeNow() }, records));
    const limits = slack === undefined ? 1 : Math.max(slack, calmRead(records, calms) / CALM_READ_MS);
    const breaches = [...rows.flatMap((row) => breachesOf(row, limits)), ...records.breaches.map(({ what }) => what)];
    return { version: cluster.version, rows, breaches };
  } finally {
    await workload.close();
    await cluster.stop();
  }
}

/** How long a read took, in the middle, of those that began while nothing happened. One that the next fault befell counts until then. */
function calmRead({ reads }: Records, calms: readonly number[]): number {
  const calmAt = (at: number): number | undefined => calms.find((begin) => at >= begin && at < begin + CALM_MS / 2);
  const times = reads.flatMap(({ begin, end }) => {
    const calm = calmAt(begin);
    return calm === undefined ? [] : [Math.min(end, calm + CALM_MS) - begin];
  });
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? CALM_MS;
}
