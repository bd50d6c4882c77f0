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

/** The resources in use while no call is running. */
export interface Measured {
  readonly calls: number;
  readonly restarts: number;
  readonly heapBytes: number;
  /** Connections to all members. */
  readonly sockets: number;
  /** The listeners of the signal that all calls share, and of the process. */
  readonly listeners: number;
}

export interface Growth {
  readonly measured: readonly Measured[];
  /** The reasons of failed calls, with their numbers. */
  readonly failures: Readonly<Record<string, number>>;
  /** The warnings of Node. */
  readonly warnings: readonly string[];
}

/** The connections to each member; as many calls run at a time as all connections together can carry. */
export const MAX_CONNECTIONS = 8;
const AT_A_TIME = 24;
const MEASURES = 3;

/**
 * Makes many calls by one client while the members are restarted in turn, and measures repeatedly. Needs Node's
 * `--expose-gc`.
 */
export async function growth({ calls, version, onMeasured }: GrowthOptions): Promise<Growth> {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', onWarning);
  const cluster = await startFaultCluster({ version });
  const etcd = createClient({ ...cluster.access, endpoints: cluster.endpoints, maxConnections: MAX_CONNECTIONS });
  const note = (error: unknown): void => void warnings.push(`a watch ended: ${String(error)}`);
  const watch = etcd.watch({ prefix: 'growth/' }).subscribe({ error: note });
  const { signal } = new AbortController();
  // Concurrent calls may each have a listener; those left at the end are counted below.
  setMaxListeners(0, signal);
  const failures: Record<string, number> = {};
  const measured: Measured[] = [];
  let restarts = 0;
  try {
    // The first is the warm-up: it fills the pools and V8's code caches.
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

/** @returns how many members were restarted in that time: all of them at least once */
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

/** Makes this many calls of several kinds, many concurrently; a watch begins and ends now and then. */
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

/** Returns the heap in use once nothing runs any more: watches linger, and released connections end a turn later. */
async function heapInUse(): Promise<number> {
  await delay(1_500);
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await delay(50);
  }
  return process.memoryUsage().heapUsed;
}

/** The memory that V8 may use for code that has run for longer. */
const SLACK_BYTES = 2 * 2 ** 20;
/** Usual failures of a write when its member stops; reads are retried. */
const USUAL = new Set(['AmbiguousWrite']);

/** Describes what grew or is not as expected. */
export function growthFaults({ measured, failures, warnings }: Growth): string[] {
  const [first] = measured;
  const last = measured.at(-1);
  if (first === undefined || last === undefined) return ['nothing was measured'];
  const heap = last.heapBytes - first.heapBytes;
  // The connections to each member, and a stream.
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
