import type { Client, KeyValue, Range, StreamOptions, WatchBatch, WatchEvent, WatchOptions } from 'rxetcd';
import { firstValueFrom } from 'rxjs';
import { watching, type Seen } from '../../unit/watch/support.js';
import { waitForValue } from '../../support/waitFor.js';

export { watching, type Seen };

/** Options by which a client reconnects soon, so that a test need not wait. */
export const quick: StreamOptions = { heartbeatMs: 500, responseTimeoutMs: 2_000, initialBackoffMs: 10, maxBackoffMs: 100 };

/** Formats an event as a line. */
export const shown = ({ type, kv, prevKv }: WatchEvent): string =>
  `${type} ${kv.key}=${kv.value}${prevKv === undefined ? '' : ` was ${prevKv.value}`}`;

/** Formats a batch as a line. */
export const shownBatch = ({ type, revision, events }: WatchBatch): string => [type, revision, ...events.map(shown)].join(' ');

/** Returns the entries of a state, for comparison. */
export const contents = (kvs: Iterable<KeyValue>): unknown[] => [...kvs].map((kv) => kv.toJSON()).sort((a, b) => (a.key < b.key ? -1 : 1));

export const last = <T>({ values }: Seen<T>): T | undefined => values.at(-1);

/** Waits for a number of values, or for an error, which the test checks. */
export const seenAtLeast = (seen: Seen<unknown>, count: number): Promise<unknown> =>
  waitForValue(
    () => [seen.values.length, ...seen.errors],
    ([length]) => seen.errors.length > 0 || Number(length) >= count,
  );

/** Waits for a value that fulfils a condition, or for an error, which the test checks. */
export const updated = <T>(seen: Seen<T>, holds: (latest: T) => boolean): Promise<unknown> =>
  waitForValue(
    () => [seen.errors, last(seen)] as const,
    ([errors, latest]) => errors.length > 0 || (latest !== undefined && holds(latest)),
  );

/** Watches batches of all later events. */
export async function batches(etcd: Pick<Client, 'watchBatches'>, which: Range, options?: WatchOptions): Promise<Seen<WatchBatch>> {
  const seen = watching(etcd.watchBatches(which, options));
  await seenAtLeast(seen, 1);
  return seen;
}

/** Watches all later events. */
export async function events(etcd: Client, which: Range, options?: WatchOptions): Promise<Seen<WatchEvent>> {
  const seen = watching(etcd.watch(which, options));
  // Both share one watch, whose progress notification shows that it exists.
  (await batches(etcd, which, options)).leave();
  return seen;
}

/** Returns the server's own count of its watches. */
export async function serverWatches(etcd: Client): Promise<number> {
  const families = await firstValueFrom(etcd.metrics());
  return families.find(({ name }) => name === 'etcd_debugging_mvcc_watcher_total')?.samples[0]?.value ?? NaN;
}
