import { setTimeout as delay } from 'node:timers/promises';
import { count, lastValueFrom, take } from 'rxjs';
import { createClient } from '../../../src/index.js';
import { bareWatch, createRequest } from '../bareStream.js';
import { cpuWatch } from '../cpu.js';
import { fill } from '../fill.js';
import { peerClient, type Peer } from '../peer.js';
import type { Scenario } from '../scenario.js';

const NAME = 'watch-replay-50k';
const CPU = `cpu-${NAME}`;
const RAISED = `${NAME}-raised`;
const PREFIX = 'bench/replay/';
const EVENTS = 50_000;
/** The peer's default time until something arrives: several times as long as the other sides need for all. */
const PATIENCE_MS = 2_000;

/** The replay of a backlog: 22 MB of JSON, in one message. The peer needs an option for a message of that size. */
export const watchReplayScenario: Scenario = {
  name: NAME,
  rows: [
    { name: NAME, unit: 'events/s', better: 'more', target: { toFloor: 0.8 } },
    { name: RAISED, unit: 'events/s', better: 'more' },
    { name: CPU, unit: 'µs/event', better: 'less' },
  ],
  rounds: { full: 9, quick: 2, warmUp: 1 },
  prepare: async ({ server: { endpoint } }) => {
    const etcd = createClient({ endpoints: endpoint });
    const plain = peerClient(endpoint);
    const raised = peerClient(endpoint, { grpcOptions: { 'grpc.max_receive_message_length': -1 } });
    const startRevision = (await fill(etcd, PREFIX, EVENTS)) + 1;
    // Measured once, as it takes long: no event arrives, and that will not change.
    let asItComes: Promise<number> | undefined;
    return {
      sides: {
        ours: async () => {
          const { speed, cpu } = await timed(() =>
            lastValueFrom(etcd.watch({ prefix: PREFIX }, { startRevision }).pipe(take(EVENTS), count())),
          );
          return { [NAME]: speed, [RAISED]: speed, [CPU]: cpu };
        },
        peer: async () => {
          asItComes ??= withinPatience(plain, startRevision);
          const { speed, cpu } = await timed(() => peerReplay(raised, startRevision));
          return { [NAME]: await asItComes, [RAISED]: speed, [CPU]: cpu };
        },
        floor: async () => {
          const { speed, cpu } = await timed(() => bareReplay(endpoint, startRevision));
          return { [NAME]: speed, [CPU]: cpu };
        },
      },
      end: () => {
        plain.close();
        raised.close();
        return etcd.close();
      },
    };
  },
};

async function timed(replay: () => Promise<number>): Promise<{ readonly speed: number; readonly cpu: number }> {
  const spent = cpuWatch();
  const start = performance.now();
  const events = await replay();
  const ms = performance.now() - start;
  const micros = spent();
  if (events !== EVENTS) throw new Error(`${events} events came of ${EVENTS}`);
  return { speed: (EVENTS / ms) * 1000, cpu: micros / EVENTS };
}

async function peerReplay(peer: Peer, startRevision: number): Promise<number> {
  let seen = 0;
  const watcher = peer.watch().prefix(PREFIX).startRevision(String(startRevision)).watcher();
  await new Promise<void>((resolve) => {
    watcher.on('put', () => {
      seen += 1;
      if (seen === EVENTS) resolve();
    });
  });
  await watcher.cancel();
  return seen;
}

/** Measures the events per second of the peer with its defaults, within its time. */
async function withinPatience(peer: Peer, startRevision: number): Promise<number> {
  let seen = 0;
  const watcher = peer.watch().prefix(PREFIX).startRevision(String(startRevision)).watcher();
  watcher.on('put', () => void (seen += 1));
  await delay(PATIENCE_MS);
  await watcher.cancel();
  return (seen / PATIENCE_MS) * 1000;
}

async function bareReplay(endpoint: string, startRevision: number): Promise<number> {
  let seen = 0;
  let finish: (count: number) => void;
  const finished = new Promise<number>((resolve) => (finish = resolve));
  const watch = await bareWatch(endpoint, ({ result }) => {
    seen += result.events?.length ?? 0;
    if (seen >= EVENTS) finish(seen);
  });
  watch.send(createRequest(PREFIX, startRevision));
  await finished;
  watch.close();
  return seen;
}
