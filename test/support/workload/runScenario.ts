import { setTimeout as delay } from 'node:timers/promises';
import { startFaultCluster, type FaultClusterOptions } from '../cluster/cluster.js';
import type { Random } from '../random.js';
import { awakeNow } from '../stopwatch.js';
import type { Fault } from './faults.js';
import { breachesOf, rowOf, type Row, type Struck } from './resultRow.js';
import { Workload } from './workload.js';

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
  /** How much longer than on a quiet machine all may take: 1 if left out. */
  readonly slack?: number;
  /** Told of each as it begins. */
  readonly onFault?: (name: string) => void;
}

/** So long nothing happens before the first fault, and after each. */
const CALM_MS = 500;

/** A cluster with a workload, and one fault after the other. */
export async function play({ random, next, slack, onFault, ...options }: PlayOptions): Promise<Played> {
  const cluster = await startFaultCluster(options);
  const workload = new Workload(cluster, random.fork('workload'));
  const struck: Omit<Struck, 'until'>[] = [];
  try {
    await delay(CALM_MS);
    for (let chosen = next(); chosen !== undefined; chosen = next()) {
      const [name, fault] = chosen;
      onFault?.(name);
      const from = awakeNow();
      let mendable = from;
      await fault({ cluster, workload, random: random.fork(`${name} ${struck.length}`), mendable: () => (mendable = awakeNow()) });
      await cluster.settled();
      await workload.calm();
      await delay(CALM_MS);
      struck.push({ fault: name, from, mendable });
    }
    const records = await workload.finish();
    const rows = struck.map((one, index) => rowOf({ ...one, until: struck[index + 1]?.from ?? awakeNow() }, records));
    const breaches = [...rows.flatMap((row) => breachesOf(row, slack)), ...records.breaches.map(({ what }) => what)];
    return { version: cluster.version, rows, breaches };
  } finally {
    await workload.close();
    await cluster.stop();
  }
}
