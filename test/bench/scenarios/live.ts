import { filter, firstValueFrom, lastValueFrom, map, skip, takeWhile, toArray } from 'rxjs';
import { startEtcd } from '../../support/etcd/index.js';
import { createClient, type Client } from '../../../src/index.js';
import { bareWatch, createRequest } from '../bareStream.js';
import { cpuWatch } from '../cpu.js';
import { fill } from '../fill.js';
import { heapInUse } from '../heap.js';
import type { Figures, Scenario } from '../scenario.js';
import { startWriter } from '../writer.js';

const NAME = 'live-100k';
const PREFIX = 'bench/live/';
const KEYS = 100_000;
const CHANGED_KEYS = 1_000;
const PAGE_SIZE = 5_000;
/**
 * Batches of changes before the measured one: V8 may have discarded the optimised code for changes while the range was
 * loaded and garbage collected.
 */
const WARM_UP = 6;

/**
 * A live range of 100 000 keys: its load beside reading by pages, the cost of one change, and its memory. It has a
 * separate server, so that no other changes arrive.
 */
export const liveScenario: Scenario = {
  name: NAME,
  rows: [
    { name: NAME, unit: 'ms', better: 'less', target: { toFloor: 1.3 } },
    { name: `${NAME}-change`, unit: 'µs CPU', better: 'less', target: { toFloor: 1.5 } },
    { name: `${NAME}-heap`, unit: 'bytes/key', better: 'less' },
  ],
  slow: true,
  rounds: { full: 9, quick: 3, warmUp: 2 },
  prepare: async ({ quick }) => {
    const server = await startEtcd({ own: true });
    const etcd = createClient({ endpoints: server.endpoint, streams: { lingerMs: 10 } });
    const writer = startWriter(server.endpoint);
    const changes = quick ? 500 : 2_000;
    const write = (): Promise<void> => writer.write({ prefix: PREFIX, puts: changes, keys: CHANGED_KEYS });
    await fill(etcd, PREFIX, KEYS);

    const ours = async (): Promise<Figures> => {
      const live = etcd.live({ prefix: PREFIX });
      const before = heapInUse();
      const start = performance.now();
      const held = live.subscribe();
      check(await firstValueFrom(live.pipe(map(({ state }) => state.size))));
      const ms = performance.now() - start;
      const heap = heapInUse() - before;
      const change = async (): Promise<number> => {
        let seen = 0;
        const arrived = lastValueFrom(
          live.pipe(
            skip(1),
            takeWhile((update) => (seen += update.changes.length) < changes, true),
          ),
        );
        const spent = cpuWatch();
        await Promise.all([write(), arrived]);
        return spent() / changes;
      };
      const cpu = await warmedUp(change);
      held.unsubscribe();
      // It stays open for lingerMs, and the next one must start without it.
      await idle(etcd);
      return { [NAME]: ms, [`${NAME}-change`]: cpu, [`${NAME}-heap`]: heap / KEYS };
    };

    const floor = async (): Promise<Figures> => {
      const start = performance.now();
      // The result is kept, as an application would do.
      const pages = await lastValueFrom(etcd.kv.pages({ prefix: PREFIX }, { pageSize: PAGE_SIZE }).pipe(toArray()));
      const ms = performance.now() - start;
      check(pages.reduce((sum, { kvs }) => sum + kvs.length, 0));
      return { [NAME]: ms, [`${NAME}-change`]: await bareChange(server.endpoint, changes, write) };
    };

    return {
      sides: { ours, floor },
      end: async () => {
        await Promise.all([etcd.close(), writer.end()]);
        await server.stop();
      },
    };
  },
};

function check(keys: number): void {
  if (keys !== KEYS) throw new Error(`${keys} keys came of ${KEYS}`);
}

const idle = (etcd: Client): Promise<unknown> => firstValueFrom(etcd.connection$.pipe(filter(({ status }) => status === 'idle')));

async function warmedUp(change: () => Promise<number>): Promise<number> {
  for (let lot = 0; lot < WARM_UP; lot++) await change();
  return change();
}

/** CPU of a change on a bare WebSocket. */
async function bareChange(endpoint: string, changes: number, write: () => Promise<void>): Promise<number> {
  let seen = 0;
  let onCreated: () => void;
  let onFinished: () => void;
  const created = new Promise<void>((resolve) => (onCreated = resolve));
  const watch = await bareWatch(endpoint, ({ result }) => {
    if (result.created === true) onCreated();
    seen += result.events?.length ?? 0;
    if (seen === changes) onFinished();
  });
  const change = async (): Promise<number> => {
    seen = 0;
    const finished = new Promise<void>((resolve) => (onFinished = resolve));
    const spent = cpuWatch();
    await Promise.all([write(), finished]);
    return spent() / changes;
  };
  watch.send(createRequest(PREFIX));
  await created;
  const cpu = await warmedUp(change);
  watch.close();
  return cpu;
}
