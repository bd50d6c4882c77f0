import { setTimeout as delay } from 'node:timers/promises';
import { connectable, lastValueFrom, mergeMap, range, take } from 'rxjs';
import { createClient } from '../../../src/index.js';
import { bareWatch, createRequest } from '../bareWatch.js';
import { keyOf } from '../fill.js';
import { heapInUse } from '../heap.js';
import { inTurn } from '../rounds.js';
import type { Figures, Scenario } from '../scenario.js';

const PREFIX = 'bench/watchers/';
const WATCHES = 1_000;
/** How long a connection of the pool that nobody uses any more stays open here. */
const IDLE_MS = 200;

/**
 * A thousand watches of different ranges on one client: until the server has confirmed the last, and what they hold then. The connections that asked for the
 * store's revision meanwhile have been idle long enough to be closed.
 */
export const watchersScenario: Scenario = {
  name: 'watchers-1000',
  rows: [
    { name: 'watchers-1000', unit: 'ms', better: 'less' },
    { name: 'watchers-1000-heap', unit: 'bytes/watch', better: 'less' },
  ],
  rounds: { full: 7, quick: 2, warmUp: 1 },
  prepare: async ({ server: { endpoint } }) => ({
    round: inTurn({ ours: () => ours(endpoint), floor: () => floor(endpoint) }),
    end: async () => undefined,
  }),
};

/** So many watches, confirmed. */
export interface Watched {
  readonly setUpMs: number;
  end(): Promise<void>;
}

/** Resolves when the server has confirmed the last of them, and the pool of the client has closed what it does not need any more. */
export async function watchThousand(endpoint: string): Promise<Watched> {
  const etcd = createClient({ endpoints: endpoint, keepAliveMs: IDLE_MS });
  const start = performance.now();
  // The first batch of a watch says that the server has confirmed it.
  const batches = connectable(range(0, WATCHES).pipe(mergeMap((index) => etcd.watchBatches({ prefix: keyOf(PREFIX, index) }))));
  const confirmed = lastValueFrom(batches.pipe(take(WATCHES)));
  const watching = batches.connect();
  await confirmed;
  const setUpMs = performance.now() - start;
  await delay(IDLE_MS * 5);
  return {
    setUpMs,
    end: () => {
      watching.unsubscribe();
      return etcd.close();
    },
  };
}

async function ours(endpoint: string): Promise<Figures> {
  const before = heapInUse();
  const { setUpMs, end } = await watchThousand(endpoint);
  const heap = (heapInUse() - before) / WATCHES;
  await end();
  return { 'watchers-1000': setUpMs, 'watchers-1000-heap': heap };
}

/** The bare stream holds nothing a watch: its heap would say nothing. */
async function floor(endpoint: string): Promise<Figures> {
  const start = performance.now();
  let created = 0;
  let finish: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const watch = await bareWatch(endpoint, ({ result }) => {
    created += result.created === true ? 1 : 0;
    if (created === WATCHES) finish();
  });
  for (let index = 0; index < WATCHES; index++) watch.send(createRequest(keyOf(PREFIX, index)));
  await finished;
  const setUpMs = performance.now() - start;
  watch.close();
  return { 'watchers-1000': setUpMs };
}
