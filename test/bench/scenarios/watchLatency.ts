import { firstValueFrom, Subject, Subscription } from 'rxjs';
import { Pool } from 'undici';
import { createClient } from '../../../src/index.js';
import { bareWatch, createRequest } from '../bareStream.js';
import { bareCall } from '../calls.js';
import { keyOf, VALUE } from '../fill.js';
import { closePeer, peerClient } from '../peer.js';
import type { Figures, Scenario } from '../scenario.js';
import { quantile } from '../stats.js';

const NAME = 'watch-latency';
const PREFIX = 'bench/latency/';
const WATCHES = 100;
const KEYS = Array.from({ length: WATCHES }, (_, index) => keyOf(PREFIX, index));

/** A hundred watches of a key each, confirmed. */
interface Watching {
  end(): Promise<void>;
}

/** From a put to its event, one after another, each to the next of a hundred watches. The puts are the same bare call for all: it is the watches that are compared. */
export const watchLatencyScenario: Scenario = {
  name: NAME,
  rows: [
    { name: `${NAME}-p50`, unit: 'ms', better: 'less', target: { toPeer: 1 } },
    { name: `${NAME}-p99`, unit: 'ms', better: 'less', target: { toPeer: 1 } },
  ],
  rounds: { full: 15, quick: 3, warmUp: 1 },
  prepare: async ({ server: { endpoint }, quick }) => {
    const pool = new Pool(endpoint, { connections: 1 });
    const arrivals = new Subject<void>();
    const onEvent = (): void => arrivals.next();
    const measured = async (watch: () => Promise<Watching>): Promise<Figures> => {
      const { end } = await watch();
      const took: number[] = [];
      for (let index = 0; index < (quick ? 300 : 1_000); index++) {
        const arrived = firstValueFrom(arrivals);
        const start = performance.now();
        const written = bareCall(pool, '/v3/kv/put', { key: btoa(keyOf(PREFIX, index % WATCHES)), value: btoa(VALUE) });
        await arrived;
        took.push(performance.now() - start);
        // The event may overtake the answer to the put.
        await written;
      }
      await end();
      return { [`${NAME}-p50`]: quantile(took, 0.5), [`${NAME}-p99`]: quantile(took, 0.99) };
    };
    return {
      sides: {
        ours: () => measured(() => watchOurs(endpoint, onEvent)),
        peer: () => measured(() => watchPeer(endpoint, onEvent)),
        floor: () => measured(() => watchBare(endpoint, onEvent)),
      },
      end: () => pool.destroy(),
    };
  },
};

async function watchOurs(endpoint: string, onEvent: () => void): Promise<Watching> {
  const etcd = createClient({ endpoints: endpoint });
  const watching = new Subscription();
  for (const key of KEYS) watching.add(etcd.watch(key).subscribe(onEvent));
  // The first batch of a watch says that the server has confirmed it.
  await Promise.all(KEYS.map((key) => firstValueFrom(etcd.watchBatches(key))));
  return {
    end: () => {
      watching.unsubscribe();
      return etcd.close();
    },
  };
}

async function watchPeer(endpoint: string, onEvent: () => void): Promise<Watching> {
  const peer = peerClient(endpoint);
  const watchers = await Promise.all(KEYS.map((key) => peer.watch().key(key).create()));
  for (const watcher of watchers) watcher.on('put', onEvent);
  return { end: () => closePeer(peer, watchers) };
}

async function watchBare(endpoint: string, onEvent: () => void): Promise<Watching> {
  let created = 0;
  let confirm: () => void;
  const confirmed = new Promise<void>((resolve) => (confirm = resolve));
  const watch = await bareWatch(endpoint, ({ result }) => {
    created += result.created === true ? 1 : 0;
    if (created === WATCHES) confirm();
    for (let events = result.events?.length ?? 0; events > 0; events--) onEvent();
  });
  for (const key of KEYS) watch.send(createRequest(key));
  await confirmed;
  return { end: async () => watch.close() };
}
