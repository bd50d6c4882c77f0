import { requestText } from '../../../src/codec/message.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import type { WatchEvent } from '../../../src/model/events.js';
import type { TestServer } from '../../../src/testing/index.js';
import { openMemory, type MemoryEtcd } from './servers.js';

/**
 * Reads the history from the store itself, past all faults, until the server restarts: then all calls end without an
 * error.
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
  call.send(requestText(watchRpcs.watch, { createRequest: { key: '\0', rangeEnd: '\0', prevKv: true } }));
}

/** Writes to an etcd in memory, and returns the events of all writes as a watch with `prevKv` has them. */
export function eventsOf(write: (server: TestServer) => void): readonly WatchEvent[] {
  const etcd = openMemory();
  const events: WatchEvent[] = [];
  followHistory(etcd, (changes) => events.push(...changes));
  write(etcd.server);
  return events;
}
