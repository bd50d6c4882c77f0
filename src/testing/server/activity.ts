import { interval, map, type Observable } from 'rxjs';
import type { OpenWatch } from '../openWatches.js';
import type { TestLease, TestServer } from '../testServer.js';

/** How often the server is looked at, in milliseconds. */
const LOOK_MS = 250;

/**
 * Emits lines about the watches and leases that came and went. It empties the record of calls, which would only grow.
 */
export function activityOf(server: TestServer): Observable<readonly string[]> {
  let watches: ReadonlySet<OpenWatch> = new Set();
  let leases: ReadonlyMap<string, TestLease> = new Map();
  return interval(LOOK_MS).pipe(
    map(() => {
      server.calls.length = 0;
      const before = { watches, leases };
      watches = new Set(server.watches);
      leases = new Map(server.leases.map((lease) => [lease.id, lease]));
      return [
        ...added(before.watches, watches).map((watch) => `watch + ${shownWatch(watch)} (${watches.size} open)`),
        ...added(watches, before.watches).map((watch) => `watch - ${shownWatch(watch)} (${watches.size} open)`),
        ...added(before.leases.keys(), leases.keys()).map((id) => `lease + ${id} ttl ${leases.get(id)?.ttl} s (${leases.size} held)`),
        ...added(leases.keys(), before.leases.keys()).map((id) => `lease - ${id} (${leases.size} held)`),
      ];
    }),
  );
}

/** Returns the items that only the second list has. */
function added<T>(before: Iterable<T>, after: Iterable<T>): readonly T[] {
  const known = new Set(before);
  return [...after].filter((item) => !known.has(item));
}

function shownWatch({ key, rangeEnd, startRevision }: OpenWatch): string {
  const range = rangeEnd === undefined ? JSON.stringify(key) : `${JSON.stringify(key)} to ${JSON.stringify(rangeEnd)}`;
  return startRevision === undefined ? range : `${range} from revision ${startRevision}`;
}
