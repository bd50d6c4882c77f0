import { TestScheduler } from 'rxjs/testing';
import { requestText } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import type { WatchEvent } from '../../../src/index.js';
import type { MemoryEtcd } from '../../support/memory/servers.js';

/** Begins a run in virtual time, and returns it when nothing of it waits any more. */
export function inVirtualTime<R>(begin: () => R): R {
  const runs: R[] = [];
  new TestScheduler(() => undefined).run(() => void runs.push(begin()));
  const [run] = runs;
  if (run === undefined) throw new Error('it did not run');
  return run;
}

/**
 * Reads the history from the store itself, before any fault, until the server restarts: then all calls end without a word.
 *
 * @param onEvents called with the changes of one revision
 */
export function followHistory({ network }: MemoryEtcd, onEvents: (events: readonly WatchEvent[]) => void): void {
  const fail = (error?: unknown): never => {
    throw new Error('the watch of the history ended', { cause: error });
  };
  const observer = {
    next: ({ events }: { readonly events: readonly WatchEvent[] }) => onEvents(events),
    error: fail,
    complete: () => undefined,
  };
  const call = network.store.open(watchRpcs.watch, { isTrusted: true }, observer);
  call.send(requestText(watchRpcs.watch, { createRequest: { key: '\0', rangeEnd: '\0' } }));
}
