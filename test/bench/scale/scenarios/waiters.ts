import { firstValueFrom, type Observable, Subscription } from 'rxjs';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, type Client } from '../../../../src/index.js';
import { keyOf } from '../../fill.js';
import { heapInUse } from '../../heap.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** The size of a value: 6 KB. */
const MOST_BYTES = 6 * 1024;
/** The first waiters are not measured, so that loaded and compiled code does not count. */
const WARM_UP = 100;
/** Idle connections are closed before the heap is measured. */
const IDLE_MS = 200;

/** The heap of waiters: for a lock, each with its lease, and for the next leader of an election. */
export const waitersScenario: ScaleScenario = {
  name: 'waiters',
  of: 'waiters',
  sizes: { full: [1_000, 2_000, 4_000], short: [500] },
  rows: [
    { figure: 'lockHeap', unit: 'bytes/waiter', goals: { atMost: MOST_BYTES } },
    { figure: 'leaderHeap', unit: 'bytes/election', goals: { atMost: MOST_BYTES } },
  ],
  subjects: { ours },
};

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const direct = createClient({ endpoints: stage.endpoint });
  const locks = `${stage.prefix}${process.pid}/`;
  // The owner has acquired the lock before all waiters.
  await firstValueFrom(direct.kv.put(`${locks}lock/0`, ''));
  // A waiter watches its own key and the one before it.
  const lockHeap = await heapOf(stage, direct, 2, (etcd) => etcd.lock(`${locks}lock`, { ttl: 600 }));
  const leaderHeap = await heapOf(stage, direct, 1, (etcd, index) => etcd.election(keyOf(locks, index)).leader$);
  await direct.close();
  return { lockHeap, leaderHeap };
}

async function heapOf(
  { endpoint, size }: ScaleStage,
  direct: Client,
  watches: number,
  source: (etcd: Client, index: number) => Observable<unknown>,
): Promise<number> {
  const etcd = createClient({ endpoints: endpoint, keepAliveMs: IDLE_MS });
  const waiting = new Subscription();
  const before = await watchers(direct);
  const subscribe = async (from: number, to: number): Promise<number> => {
    for (let index = from; index < to; index++) waiting.add(source(etcd, index).subscribe(() => undefined));
    while ((await watchers(direct)) < before + to * watches) await delay(IDLE_MS);
    await delay(IDLE_MS * 5);
    return heapInUse();
  };
  const unused = await subscribe(0, WARM_UP);
  const heap = (await subscribe(WARM_UP, WARM_UP + size)) - unused;
  waiting.unsubscribe();
  await etcd.close();
  return heap / size;
}

/** Returns the number of watches on the server. */
async function watchers(etcd: Client): Promise<number> {
  const families = await firstValueFrom(etcd.metrics());
  return families.find(({ name }) => name === 'etcd_debugging_mvcc_watcher_total')?.samples[0]?.value ?? 0;
}
