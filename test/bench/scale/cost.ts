import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuWatch } from '../cpu.js';
import type { ScaleStage } from './scenario.js';

/** The cost of some work, for both sides. */
export interface Cost {
  readonly clientCpuMs: number;
  /** NaN if the server is not a process on Linux. */
  readonly serverCpuMs: number;
  /** The longest time between two turns of the event loop. */
  readonly longestStallMs: number;
}

/** How often the delay of the event loop is sampled, in milliseconds. */
const RESOLUTION_MS = 5;

/** Measures what `work` costs until its promise resolves. */
export async function costOf({ serverPid }: ScaleStage, work: () => Promise<unknown>): Promise<Cost> {
  const stalls = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  stalls.enable();
  // The first sample only sets the start of the next one.
  await delay(2 * RESOLUTION_MS);
  const [spent, before] = [cpuWatch(), serverCpuMs(serverPid)];
  await work();
  const [micros, after] = [spent(), serverCpuMs(serverPid)];
  // A stall at the very end is seen by the next sample.
  await delay(4 * RESOLUTION_MS);
  stalls.disable();
  return { clientCpuMs: micros / 1000, serverCpuMs: after - before, longestStallMs: Math.max(0, stalls.max / 1e6 - RESOLUTION_MS) };
}

/** One tick of `/proc/<pid>/stat`, in milliseconds. */
const TICK_MS = 10;

/** Returns the CPU time of a process since its start, for all its threads, in steps of 10 ms. */
export function serverCpuMs(pid: number | undefined): number {
  if (pid === undefined || process.platform !== 'linux') return NaN;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Counted from behind the name, which may have spaces: user and system time are the fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
