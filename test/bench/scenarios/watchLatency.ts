import { firstValueFrom, Subject, Subscription } from 'rxjs';
import { Pool } from 'undici';
import { createClient } from '../../../src/index.js';
import { bareSocket } from '../bareSocket.js';
import { bareWatch, createRequest } from '../bareStream.js';
import { bareCall } from '../calls.js';
import { keyOf, VALUE } from '../fill.js';
import { closePeer, peerClient } from '../peer.js';
import type { Figures, Row, Scenario } from '../scenario.js';
import { quantile } from '../stats.js';

const NAME = 'watch-latency';
const PREFIX = 'bench/latency/';
const WATCHES = 100;
const KEYS = Array.from({ length: WATCHES }, (_, index) => keyOf(PREFIX, index));

/** A hundred watches of a key each, confirmed. */
interface Watching {
  end(): Promise<unknown>;
}

type Watch = (endpoint: string, onEvent: () => void) => Promise<Watching>;

const rowOf = (name: string): Row => ({ name, unit: 'ms', better: 'less' });

/**
 * From a put to its event, one after another, each for the next of a hundred watches. The puts are the same bare call
 * for all sides, so only the watches differ.
 */
const watchLatency = (name: string, rows: readonly Row[], floor: Watch): Scenario => ({
  name,
  rows,
  rounds: { full: 15, quick: 3, warmUp: 1 },
  prepare: async ({ server: { endpoint }, quick }) => {
    const pool = new Pool(endpoint, { connections: 1 });
    const arrivals = new Subject<void>();
    const onEvent = (): void => arrivals.next();
    const measured = async (watch: Watch): Promise<Figures> => {
      const { end } = await watch(endpoint, onEvent);
      const took: number[] = [];
      for (let index = 0; index < (quick ? 300 : 1_000); index++) {
        const arrived = firstValueFrom(arrivals);
        const start = performance.now();
        const written = bareCall(pool, '/v3/kv/put', { key: btoa(keyOf(PREFIX, index % WATCHES)), value: btoa(VALUE) });
        await arrived;
        took.push(performance.now() - start);
        // The event may overtake the response to the put.
        await written;
      }
      await end();
      return { [`${name}-p50`]: quantile(took, 0.5), [`${name}-p99`]: quantile(took, 0.99) };
    };
    return {
      sides: {
        ours: () => measured(watchOurs),
        peer: () => measured(watchPeer),
        floor: () => measured(floor),
      },
      end: () => pool.destroy(),
    };
  },
});

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

/** Nothing is parsed: the first bytes after the responses to the creates are an event, and so are all later bytes. */
async function watchSocket(endpoint: string, onEvent: () => void): Promise<Watching> {
  let answers = '';
  let confirm: (() => void) | undefined;
  const confirmed = new Promise<void>((resolve) => (confirm = resolve));
  const watch = await bareSocket(endpoint, '/v3/watch', (bytes) => {
    if (confirm === undefined) return onEvent();
    answers += bytes.toString('latin1');
    if (answers.split('"created":true').length <= WATCHES) return;
    confirm();
    confirm = undefined;
  });
  for (const key of KEYS) watch.send(createRequest(key));
  await confirmed;
  return { end: async () => watch.close() };
}

const SOCKET = `${NAME}-socket`;

/**
 * `watch-latency` compares with a bare WebSocket, `watch-latency-socket` with its socket alone. No client of the
 * gateway can be faster than the latter.
 */
export const watchLatencyScenarios: readonly Scenario[] = [
  watchLatency(
    NAME,
    [
      { ...rowOf(`${NAME}-p50`), target: { toPeer: 1 } },
      { ...rowOf(`${NAME}-p99`), target: { toPeer: 1 } },
    ],
    watchBare,
  ),
  { ...watchLatency(SOCKET, [rowOf(`${SOCKET}-p50`)], watchSocket), slow: true },
];
