import { getEventListeners, setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { EMPTY, firstValueFrom, from, lastValueFrom, mergeMap, take, toArray, type Observable } from 'rxjs';
import { createClient, get, isEtcdError, key, put, type Client } from '../../../src/index.js';
import { startFaultCluster } from '../cluster/cluster.js';
import type { FaultCluster } from '../cluster/types.js';
import { Gate } from './pauseGate.js';

export interface GrowthOptions {
  readonly calls: number;
  readonly version?: string | undefined;
  readonly onMeasured?: (measured: Measured) => void;
}

/** What is held at a moment when nothing is under way. */
export interface Measured {
  readonly calls: number;
  readonly restarts: number;
  readonly heapBytes: number;
  /** Connections to all members. */
  readonly sockets: number;
  /** Of the signal that all calls share, and of the process. */
  readonly listeners: number;
}

export interface Growth {
  readonly measured: readonly Measured[];
  /** How calls ended that did not succeed, and how often. */
  readonly failures: Readonly<Record<string, number>>;
  /** What Node had to complain of. */
  readonly warnings: readonly string[];
}

/** To each member, and as many at a time as go to all together. */
export const MAX_CONNECTIONS = 8;
const AT_A_TIME = 24;
const MEASURES = 3;

/** Many calls by one client while the members are restarted in turn, measured again and again. Wants Node's `--expose-gc`. */
export async function growth({ calls, version, onMeasured }: GrowthOptions): Promise<Growth> {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', onWarning);
  const cluster = await startFaultCluster({ version });
  const etcd = createClient({ ...cluster.access, endpoints: cluster.endpoints, maxConnections: MAX_CONNECTIONS });
  const note = (error: unknown): void => void warnings.push(`a watch ended: ${String(error)}`);
  const watch = etcd.watch({ prefix: 'growth/' }).subscribe({ error: note });
  const { signal } = new AbortController();
  // As many as calls at a time are right; what is left of them at the end is counted below.
  setMaxListeners(0, signal);
  const failures: Record<string, number> = {};
  const measured: Measured[] = [];
  let restarts = 0;
  try {
    // The first is the warm-up: it fills the pools, and what V8 makes of the code.
    for (let part = 1; part <= MEASURES; part++) {
      restarts += await whileRestarting(cluster, () => run(etcd, calls / MEASURES, signal, failures));
      const all = { calls: (part * calls) / MEASURES, restarts, heapBytes: await heapInUse() };
      const sockets = cluster.members.reduce((sum, { client }) => sum + client.open, 0);
      const ofProcess = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
      const now = { ...all, sockets, listeners: getEventListeners(signal, 'abort').length + ofProcess };
      measured.push(now);
      onMeasured?.(now);
    }
    return { measured, failures, warnings };
  } finally {
    watch.unsubscribe();
    await etcd.close();
    await cluster.stop();
    process.off('warning', onWarning);
  }
}

/** @returns how many members were restarted meanwhile: all of them at least once */
async function whileRestarting(cluster: FaultCluster, work: () => Promise<unknown>): Promise<number> {
  const gate = new Gate();
  let restarts = 0;
  const restarting = (async () => {
    while ((await gate.passed()) || restarts === 0) {
      for (const { server } of cluster.members) {
        await server.restart();
        await cluster.settled();
        restarts += 1;
      }
    }
  })();
  await work();
  gate.close();
  await restarting;
  return restarts;
}

/** So many calls of several kinds, many at a time; a watch comes and goes now and then. */
async function run(etcd: Client, count: number, signal: AbortSignal, failures: Record<string, number>): Promise<void> {
  const kinds: readonly ((name: string) => Observable<unknown>)[] = [
    (name) => etcd.kv.put(name, name, { signal }),
    (name) => etcd.kv.get(name, { signal }),
    (name) => etcd.kv.get(name),
    () => etcd.kv.range({ prefix: 'growth/' }, { limit: 10, signal }),
    (name) => etcd.kv.txn({ compare: [key(name).exists()], success: [get(name)], failure: [put(name, name)] }, { signal }),
    (name) => etcd.kv.delete(name, { signal }),
  ];
  const one = async (index: number): Promise<void> => {
    const name = `growth/${index % 100}`;
    if (index % 100 === 0)
      etcd
        .watch(name, { startRevision: 1 })
        .pipe(take(1))
        .subscribe({ error: () => undefined })
        .unsubscribe();
    const call = kinds[index % kinds.length] ?? (() => EMPTY);
    await firstValueFrom(call(name)).catch((error: unknown) => {
      if (!isEtcdError(error)) throw error;
      failures[error.reason] = (failures[error.reason] ?? 0) + 1;
    });
  };
  const indices = Array.from({ length: count }, (_, index) => index);
  await lastValueFrom(from(indices).pipe(mergeMap(one, AT_A_TIME), toArray()));
}

/** Bytes that somebody holds, once all is at rest: watches have their grace, and connections that were given up end a turn later. */
async function heapInUse(): Promise<number> {
  await delay(1_500);
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await delay(50);
  }
  return process.memoryUsage().heapUsed;
}

/** So much may be what V8 makes of code that runs for longer. */
const SLACK_BYTES = 2 * 2 ** 20;
/** Failures that a write may meet when its member stops; reads are repeated. */
const USUAL = new Set(['AmbiguousWrite']);

/** What grew, or was not as it should be, in words. */
export function growthFaults({ measured, failures, warnings }: Growth): string[] {
  const [first] = measured;
  const last = measured.at(-1);
  if (first === undefined || last === undefined) return ['nothing was measured'];
  const heap = last.heapBytes - first.heapBytes;
  // To each member, and a stream.
  const sockets = 3 * MAX_CONNECTIONS + 1;
  const unusual = Object.keys(failures).filter((reason) => !USUAL.has(reason));
  const checks: readonly (readonly [boolean, string])[] = [
    [heap > SLACK_BYTES, `the heap grew by ${heap} bytes from call ${first.calls} to call ${last.calls}`],
    [last.sockets > sockets, `${last.sockets} connections are open, of at most ${sockets}`],
    [last.listeners > first.listeners, `listeners grew from ${first.listeners} to ${last.listeners}`],
    [unusual.length > 0, `calls failed with ${unusual.join(', ')}`],
    [warnings.length > 0, warnings.join('; ')],
  ];
  return checks.flatMap(([broken, what]) => (broken ? [what] : []));
}
