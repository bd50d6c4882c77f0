import { EtcdError } from '../errors/index.js';
import { asapScheduler } from 'rxjs';
import { isTimeVirtual } from '../util/time.js';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';

/** The identity of this thread in a cluster: names that no two hosts, processes or threads share. */
export interface Identity {
  readonly host: string;
  /** The same for all threads of a process. */
  readonly process: string;
  /** Names a worker, or the main thread. */
  readonly thread: string;
}

/** Returns the identity of the current thread. */
export function identity(): Identity {
  const host = hostname();
  const one = [host, ...birthOfProcess(), process.pid].join('/');
  return { host, process: one, thread: `${one}/${threadId}` };
}

/**
 * Returns what distinguishes this process from others with the same number. Two containers may share a host's name, and
 * each have a process 1; and a number is used again. Only Linux provides this; elsewhere the number has to do.
 */
function birthOfProcess(): readonly string[] {
  try {
    const namespace = readlinkSync('/proc/self/ns/pid');
    // Behind the program's name, which may hold anything, the 20th field is the time of its start.
    const started =
      readFileSync('/proc/self/stat', 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[19] ?? '';
    return [namespace.replace(/\D/g, ''), started];
  } catch {
    return [];
  }
}

/**
 * Runs a function once all that this turn of the event loop brought has been handled. It runs after responses that came
 * in together, before any later one, and without a wait. In virtual time it runs in the same frame.
 */
export function atEndOfTurn(run: () => void): void {
  if (typeof setImmediate === 'function' && !isTimeVirtual()) setImmediate(run);
  else asapScheduler.schedule(run);
}

const runsOn = (name: 'Bun' | 'Deno'): boolean => name in globalThis;

/**
 * Refuses a runtime on which no call could work.
 *
 * @throws EtcdError `UnsupportedRuntime` on Bun, which replaces undici by its own module, without connection pools
 */
export function checkRuntime(): void {
  if (runsOn('Bun'))
    throw unsupported('Bun replaces the HTTP client undici by its own, which rxetcd cannot use; run it on Node 20.18.1 or newer');
}

/** Returns whether a request can stay open in both directions over HTTP/2. On Deno it never gets a response. */
export const hasHttp2Streams = (): boolean => !runsOn('Deno');

/**
 * Loads the modules below the transport, which a bundle can lack.
 * @throws EtcdError `UnsupportedRuntime`
 */
export async function loadModule<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const remedy = 'in an ES module bundle, keep undici external or define require (see docs/runtimes.md)';
    throw unsupported(`the HTTP client undici cannot be loaded: ${why}; ${remedy}`, cause);
  }
}

const unsupported = (message: string, cause?: unknown): EtcdError => new EtcdError('UnsupportedRuntime', message, { cause });
