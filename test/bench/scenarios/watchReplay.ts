import { count, lastValueFrom, take } from 'rxjs';
import { createClient } from '../../../src/index.js';
import { bareWatch, createRequest } from '../bareWatch.js';
import { fill } from '../fill.js';
import { inTurn } from '../rounds.js';
import type { Figures, Scenario } from '../scenario.js';

const PREFIX = 'bench/replay/';
const EVENTS = 50_000;

/** Catching up on a backlog: 22 MB of JSON, in parts of some 1.5 MB. */
export const watchReplayScenario: Scenario = {
  name: 'watch-replay-50k',
  rows: [
    { name: 'watch-replay-50k', unit: 'events/s', better: 'more' },
    { name: 'cpu-watch-replay-50k', unit: 'µs/event', better: 'less' },
  ],
  rounds: { full: 9, quick: 2, warmUp: 1 },
  prepare: async ({ server: { endpoint } }) => {
    const etcd = createClient({ endpoints: endpoint });
    const startRevision = (await fill(etcd, PREFIX, EVENTS)) + 1;
    const timed = async (replay: () => Promise<number>): Promise<Figures> => {
      const before = process.cpuUsage();
      const start = performance.now();
      const events = await replay();
      const ms = performance.now() - start;
      const { user, system } = process.cpuUsage(before);
      if (events !== EVENTS) throw new Error(`${events} events came of ${EVENTS}`);
      return { 'watch-replay-50k': (EVENTS / ms) * 1000, 'cpu-watch-replay-50k': (user + system) / EVENTS };
    };
    return {
      round: inTurn({
        ours: () => timed(() => lastValueFrom(etcd.watch({ prefix: PREFIX }, { startRevision }).pipe(take(EVENTS), count()))),
        floor: () => timed(() => bareReplay(endpoint, startRevision)),
      }),
      end: () => etcd.close(),
    };
  },
};

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
