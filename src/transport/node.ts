import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';

/** Who this is, in the eyes of a cluster: names that two of a kind do not share. */
export interface Identity {
  readonly host: string;
  /** All threads of a process are one. */
  readonly process: string;
  /** A worker, or the main thread. */
  readonly thread: string;
}

/** The thread that asks. */
export function identity(): Identity {
  const host = hostname();
  const one = [host, ...birthOfProcess(), process.pid].join('/');
  return { host, process: one, thread: `${one}/${threadId}` };
}

/**
 * What tells this process from others of the same number: two containers may share a host's name, and each have a process 1; and a number is used again. Only Linux
 * tells; elsewhere the number has to do.
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
