import { firstValueFrom, Subject, type Observable } from 'rxjs';
import { Pool } from 'undici';
import { createClient, type Client } from '../../../src/index.js';
import { bareCall } from '../calls.js';
import { VALUE } from '../fill.js';
import type { Figures, Scenario } from '../scenario.js';
import { quantile } from '../stats.js';

const NAME = 'combine-latency';
const PREFIX = 'bench/combine/';
const PARTS = { a: { prefix: `${PREFIX}a/` }, b: { key: `${PREFIX}m` }, c: { prefix: `${PREFIX}z/` } } as const;
const KEYS = [`${PREFIX}a/1`, `${PREFIX}m`, `${PREFIX}z/1`];

/**
 * From a put to the state of three parts that includes it, one put after another. The floor is a plain watch of all
 * keys.
 */
export const combineLatencyScenario: Scenario = {
  name: NAME,
  rows: [
    { name: `${NAME}-p50`, unit: 'ms', better: 'less', target: { toFloor: 1.2 } },
    { name: `${NAME}-p99`, unit: 'ms', better: 'less' },
  ],
  rounds: { full: 15, quick: 3, warmUp: 1 },
  prepare: async ({ server: { endpoint }, quick }) => {
    const pool = new Pool(endpoint, { connections: 1 });
    const measured = async (follow: (etcd: Client) => Observable<unknown>): Promise<Figures> => {
      const etcd = createClient({ endpoints: endpoint });
      const arrivals = new Subject<void>();
      const begun = firstValueFrom(arrivals);
      const following = follow(etcd).subscribe(() => arrivals.next());
      // The snapshot, or the batch that shows that the server has confirmed the watch.
      await begun;
      const took: number[] = [];
      for (let index = 0; index < (quick ? 300 : 1_000); index++) {
        const arrived = firstValueFrom(arrivals);
        const start = performance.now();
        const written = bareCall(pool, '/v3/kv/put', { key: btoa(KEYS[index % KEYS.length] ?? ''), value: btoa(VALUE) });
        await arrived;
        took.push(performance.now() - start);
        await written;
      }
      following.unsubscribe();
      await etcd.close();
      return { [`${NAME}-p50`]: quantile(took, 0.5), [`${NAME}-p99`]: quantile(took, 0.99) };
    };
    return {
      sides: {
        ours: () => measured((etcd) => etcd.combineLive(PARTS)),
        floor: () => measured((etcd) => etcd.watchBatches({ prefix: PREFIX })),
      },
      end: () => pool.destroy(),
    };
  },
};
