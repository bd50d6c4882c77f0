import { setTimeout as delay } from 'node:timers/promises';
import { Subscription } from 'rxjs';
import { createClient } from '../../../src/index.js';
import { bareWatch, createRequest } from '../bareStream.js';
import { keyOf } from '../fill.js';
import { heapInUse } from '../heap.js';
import { closePeer, peerClient } from '../peer.js';
import type { Figures, Scenario } from '../scenario.js';
import { socketsScenario } from '../sockets.js';

const NAME = 'watchers-1000';
const PREFIX = 'bench/watchers/';
const WATCHES = 1_000;
const KEYS = Array.from({ length: WATCHES }, (_, index) => keyOf(PREFIX, index));
/** How long an unused connection of the pool stays open here. */
const IDLE_MS = 200;

/**
 * A thousand watches of different ranges on one client: until the server has confirmed the last, and the memory that
 * they hold then. The connections that requested the store's revision have been idle long enough by then to be closed.
 */
export const watchersScenario: Scenario = {
  name: NAME,
  rows: [
    { name: NAME, unit: 'ms', better: 'less' },
    { name: `${NAME}-heap`, unit: 'bytes/watch', better: 'less', target: { toPeer: 0.5 } },
  ],
  slow: true,
  rounds: { full: 7, quick: 2, warmUp: 1 },
  prepare: async ({ server: { endpoint } }) => ({
    sides: {
      ours: () => measured(() => watchOurs(endpoint)),
      peer: () => measured(() => watchPeer(endpoint)),
      floor: async () => {
        const { setUpMs, end } = await watchBare(endpoint);
        await end();
        // The bare stream holds nothing per watch, so its heap is not comparable.
        return { [NAME]: setUpMs };
      },
    },
    end: async () => undefined,
  }),
};

/** The connections that the watches use. */
export const watchersSocketsScenario: Scenario = socketsScenario(`${NAME}-sockets`, { ours: watchOurs, peer: watchPeer });

/** The watches of a side, once they are confirmed. */
interface Watched {
  readonly setUpMs: number;
  end(): Promise<unknown>;
}

async function measured(watchAll: () => Promise<Watched>): Promise<Figures> {
  const before = heapInUse();
  const { setUpMs, end } = await watchAll();
  const heap = (heapInUse() - before) / WATCHES;
  await end();
  return { [NAME]: setUpMs, [`${NAME}-heap`]: heap };
}

/** The callback of a subscriber in an application. */
const listener = (): void => undefined;

/**
 * Resolves when the server has confirmed the last of them, and the pool of the client has closed its unused
 * connections.
 */
async function watchOurs(endpoint: string): Promise<Watched> {
  const etcd = createClient({ endpoints: endpoint, keepAliveMs: IDLE_MS });
  const watching = new Subscription();
  const start = performance.now();
  // The first batch of a watch shows that the server has confirmed it, without a write.
  await new Promise<void>((resolve) => {
    let confirmed = 0;
    const onBatch = (): void => {
      confirmed += 1;
      if (confirmed === WATCHES) resolve();
    };
    for (const prefix of KEYS) watching.add(etcd.watchBatches({ prefix }).subscribe(onBatch));
  });
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

async function watchPeer(endpoint: string): Promise<Watched> {
  const peer = peerClient(endpoint);
  const start = performance.now();
  const watchers = await Promise.all(KEYS.map((key) => peer.watch().prefix(key).create()));
  for (const watcher of watchers) watcher.on('put', listener);
  return { setUpMs: performance.now() - start, end: () => closePeer(peer, watchers) };
}

async function watchBare(endpoint: string): Promise<Watched> {
  const start = performance.now();
  let created = 0;
  let finish: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const watch = await bareWatch(endpoint, ({ result }) => {
    created += result.created === true ? 1 : 0;
    if (created === WATCHES) finish();
  });
  for (const key of KEYS) watch.send(createRequest(key));
  await finished;
  return { setUpMs: performance.now() - start, end: async () => watch.close() };
}
