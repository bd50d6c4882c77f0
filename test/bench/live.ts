import { pathToFileURL } from 'node:url';
import { filter, firstValueFrom, from, lastValueFrom, map, mergeMap, skip, take, toArray } from 'rxjs';
import { createClient, put, type Client } from '../../src/index.js';
import { startEtcd } from '../support/etcd/index.js';

/**
 * The cost of a live range: its load, beside the lowest possible cost (reading the same range by pages), and the
 * delivery of one change, which must not grow with the number of keys. Run it by `npx tsx test/bench/live.ts`.
 */

const VALUE_BYTES = 128;
const PAGE_SIZE = 5_000;
const FEW = 1_000;
const MANY = 100_000;
const WARM_UP = 2;

export interface LiveResult {
  readonly keys: number;
  /**
   * The time, and the CPU of this process, for loading a live range, divided by that for reading it by pages. Each is
   * the fastest of several rounds, as other work on the machine only adds time.
   */
  readonly loadRatio: number;
  readonly loadCpuRatio: number;
  readonly loadMs: number;
  readonly pagesMs: number;
  /** CPU of one change, from the put to the update, with few keys and with all: the lowest of some rounds. */
  readonly changeMsFew: number;
  readonly changeMsMany: number;
  /** The heap of this process, while the live range is held. */
  readonly heapBytesPerKey: number;
}

type LoadResult = Pick<LiveResult, 'loadRatio' | 'loadCpuRatio' | 'loadMs' | 'pagesMs'>;

export interface LiveBenchOptions {
  readonly keys?: number;
  readonly rounds?: number;
  /** The ratio of loading that must be reached: until then there are up to four times as many rounds. */
  readonly wantedRatio?: number;
  readonly changes?: number;
}

const MOST_ROUNDS = 4;

/** Measures on a separate server. */
export async function measureLive({
  keys = MANY,
  rounds = 7,
  wantedRatio = Infinity,
  changes = 300,
}: LiveBenchOptions = {}): Promise<LiveResult> {
  const server = await startEtcd({ own: true });
  const etcd = createClient({ endpoints: server.endpoint, streams: { lingerMs: 10 } });
  try {
    await fill(etcd, 'many/', keys);
    await fill(etcd, 'few/', FEW);
    const load = await measureLoad(etcd, keys, { rounds, wantedRatio });
    // Few, many, few, many: other work on the machine affects both alike.
    const few: number[] = [];
    const many: number[] = [];
    for (let round = 0; round < 4; round++) {
      few.push(await changeCost(etcd, 'few/', changes));
      many.push(await changeCost(etcd, 'many/', changes));
    }
    return {
      keys,
      ...load,
      changeMsFew: Math.min(...few),
      changeMsMany: Math.min(...many),
      heapBytesPerKey: await heapPerKey(etcd, keys),
    };
  } finally {
    await etcd.close();
    await server.stop();
  }
}

async function fill(etcd: Client, prefix: string, keys: number): Promise<void> {
  const value = 'v'.repeat(VALUE_BYTES);
  const txns = Array.from({ length: Math.ceil(keys / 100) }, (_, index) => index * 100);
  const txn = (first: number) =>
    etcd.kv.txn({ success: Array.from({ length: Math.min(100, keys - first) }, (_, index) => put(keyAt(prefix, first + index), value)) });
  await lastValueFrom(from(txns).pipe(mergeMap(txn, 8)));
}

const keyAt = (prefix: string, index: number): string => `${prefix}${String(index).padStart(7, '0')}`;

/** Measures both ways in turn; they alternate in going first. */
async function measureLoad(
  etcd: Client,
  keys: number,
  { rounds, wantedRatio }: Required<Pick<LiveBenchOptions, 'rounds' | 'wantedRatio'>>,
): Promise<LoadResult> {
  const measured: Record<'live' | 'pages', { ms: number; cpuMs: number }>[] = [];
  const ways = {
    live: () => firstValueFrom(etcd.live({ prefix: 'many/' }).pipe(map(({ state }) => state.size))),
    // The result is kept, as an application would do.
    pages: async () => {
      const pages = await lastValueFrom(etcd.kv.pages({ prefix: 'many/' }, { pageSize: PAGE_SIZE }).pipe(toArray()));
      return pages.reduce((sum, { kvs }) => sum + kvs.length, 0);
    },
  };
  const measure = async (way: 'live' | 'pages') => {
    const [start, startCpu] = [performance.now(), process.cpuUsage()];
    const size = await ways[way]();
    const result = { ms: performance.now() - start, cpuMs: cpuSince(startCpu) };
    if (size !== keys) throw new Error(`${way} gave ${size} keys`);
    // A live range stays open for lingerMs, and the next one must start without it.
    await idle(etcd);
    return result;
  };
  const fastest = (way: 'live' | 'pages', figure: 'ms' | 'cpuMs'): number =>
    Math.min(...measured.slice(WARM_UP).map((round) => round[way][figure]));
  const ratio = (figure: 'ms' | 'cpuMs'): number => fastest('live', figure) / fastest('pages', figure);
  // The more rounds there are, the less does other work on the machine affect the fastest.
  const isEnough = (done: number): boolean => done >= rounds && (ratio('ms') < wantedRatio || done >= MOST_ROUNDS * rounds);
  for (let round = 0; !isEnough(round - WARM_UP); round++) {
    if (round % 2 === 0) measured.push({ live: await measure('live'), pages: await measure('pages') });
    else {
      const pages = await measure('pages');
      measured.push({ live: await measure('live'), pages });
    }
  }
  const [loadMs, pagesMs] = [fastest('live', 'ms'), fastest('pages', 'ms')];
  return { loadMs, pagesMs, loadRatio: ratio('ms'), loadCpuRatio: ratio('cpuMs') };
}

function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000;
}

const idle = (etcd: Client): Promise<unknown> => firstValueFrom(etcd.connection$.pipe(filter(({ status }) => status === 'idle')));

/**
 * Returns the CPU of this process for one change of a live range, in milliseconds: for the put and for the update,
 * without the server's share.
 */
async function changeCost(etcd: Client, prefix: string, changes: number): Promise<number> {
  const live = etcd.live({ prefix });
  await firstValueFrom(live);
  const seen = lastValueFrom(live.pipe(skip(1), take(changes)));
  const start = process.cpuUsage();
  for (let index = 0; index < changes; index++) {
    const arrived = firstValueFrom(live.pipe(skip(1)));
    await firstValueFrom(etcd.kv.put(keyAt(prefix, (index * 7) % FEW), String(index)));
    await arrived;
  }
  await seen;
  const cpuMs = cpuSince(start);
  await idle(etcd);
  return cpuMs / changes;
}

/** Returns how much larger the heap is with a live range than without it; NaN without `--expose-gc`. */
async function heapPerKey(etcd: Client, keys: number): Promise<number> {
  const collect = globalThis.gc;
  if (collect === undefined) return NaN;
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  const held = etcd.live({ prefix: 'many/' }).subscribe();
  await firstValueFrom(etcd.live({ prefix: 'many/' }));
  const after = used();
  held.unsubscribe();
  return (after - before) / keys;
}

async function main(): Promise<void> {
  const { keys, loadRatio, loadCpuRatio, loadMs, pagesMs, changeMsFew, changeMsMany, heapBytesPerKey } = await measureLive();
  console.log(`${keys} keys with values of ${VALUE_BYTES} bytes`);
  console.log(`read by pages                     ${pagesMs.toFixed(0)} ms`);
  console.log(`loaded as a live range            ${loadMs.toFixed(0)} ms`);
  console.log(`ratio                             ${loadRatio.toFixed(3)} (of CPU ${loadCpuRatio.toFixed(3)})`);
  console.log(`CPU of a change, ${FEW} keys       ${changeMsFew.toFixed(3)} ms`);
  console.log(`CPU of a change, ${keys} keys     ${changeMsMany.toFixed(3)} ms`);
  console.log(`heap of a key                     ${heapBytesPerKey.toFixed(0)} bytes`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) void main();
