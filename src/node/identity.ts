import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';
import type { Identity } from '../concurrency/context.js';

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
