import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { forkJoin, lastValueFrom } from 'rxjs';
import { createClient, type Client } from '../../../../src/index.js';
import { keyOf } from '../../fill.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** The number of reads in one turn. */
const READS = 128;
/** Few keys, so that the store stays small; each is read several times in a turn. */
const KEYS = 8;
const BURSTS = 5;
const LONG_MS = 60_000;

/** Gets of one turn, sent in batches, by the size of their values; the floor sends each one alone. */
export const largeReadsScenario: ScaleScenario = {
  name: 'large-reads',
  of: 'bytes',
  sizes: { full: [10, 10_000, 100_000, 1_000_000], short: [10, 10_000, 100_000] },
  rows: [
    { figure: 'burstMs', unit: 'ms', goals: { toFloor: 1.053 } },
    { figure: 'clientCpuMs', unit: 'ms', goals: { toFloor: 1.053 } },
    { figure: 'serverCpuMs', unit: 'ms', goals: { toFloor: 1.053 } },
    // At most one request per get, also in the first burst: no batch is rejected as too large and sent again.
    { figure: 'requests', unit: 'requests', goals: { atMost: READS }, count: true },
  ],
  prepare: async ({ endpoint, prefix, size }) => {
    const etcd = createClient({ endpoints: endpoint });
    const value = 'v'.repeat(size);
    for (let index = 0; index < KEYS; index++) await lastValueFrom(etcd.kv.put(keyOf(prefix, index), value));
    await etcd.close();
  },
  subjects: { ours: (stage) => bursts(stage, true), floor: (stage) => bursts(stage, false) },
};

async function bursts(stage: ScaleStage, batchReads: boolean): Promise<Record<string, number>> {
  // On a busy machine a megabyte may take so long that a read is attempted a second time, which would be counted.
  const etcd = createClient({ endpoints: stage.endpoint, batchReads, requestTimeoutMs: LONG_MS, attemptTimeoutMs: LONG_MS });
  // Makes the client learn the version of the server.
  await lastValueFrom(etcd.kv.count(stage.prefix));
  // The client learns the sizes of the values from the first burst.
  const first = await requestsOf(() => burst(etcd, stage));
  const start = performance.now();
  let most = first;
  const cost = await costOf(stage, async () => {
    for (let count = 0; count < BURSTS; count++) most = Math.max(most, await requestsOf(() => burst(etcd, stage)));
  });
  const burstMs = (performance.now() - start) / BURSTS;
  await etcd.close();
  return { burstMs, clientCpuMs: cost.clientCpuMs, serverCpuMs: cost.serverCpuMs, requests: most };
}

const burst = ({ kv }: Client, { prefix }: ScaleStage): Promise<unknown> =>
  lastValueFrom(forkJoin(Array.from({ length: READS }, (_, index) => kv.get(keyOf(prefix, index % KEYS)))));

/** Counts the requests that undici sends during some work. */
async function requestsOf(work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const created = (): void => void count++;
  subscribe('undici:request:create', created);
  try {
    await work();
  } finally {
    unsubscribe('undici:request:create', created);
  }
  return count;
}
