import { toText } from '../../../src/model/bytes.js';
import { toKeyRange } from '../../../src/model/range.js';
import type { History, Written } from './history.js';
import type { Delivered, Watched } from './watched.js';

/** An event with its place in what a watch delivered. */
export interface Placed {
  readonly event: Delivered;
  /** The number of its batch. */
  readonly batch: number;
  /** What the batch calls its revision. */
  readonly batchRevision: number;
}

/** What a watch delivered beside what it should have, made ready to be judged. */
export interface View {
  readonly history: History;
  readonly watched: Watched;
  /** Whether it is to report a change. */
  readonly wanted: (change: Pick<Written, 'type' | 'key'>) => boolean;
  /** The first revision that it is to report. */
  readonly start: number;
  /** The last that it must have reported. */
  readonly end: number;
  /** The revisions in between that it is to report. */
  readonly due: readonly number[];
  readonly events: readonly Placed[];
  /** The batches that a revision was delivered in. */
  readonly batchesOf: ReadonlyMap<number, ReadonlySet<number>>;
}

export function viewOf(history: History, watched: Watched): View {
  const { batches, options } = watched;
  const events = batches.flatMap((batch, index) => batch.events.map((event) => ({ event, batch: index, batchRevision: batch.revision })));
  const batchesOf = new Map<number, Set<number>>();
  for (const { event, batch } of events) batchesOf.set(event.revision, (batchesOf.get(event.revision) ?? new Set<number>()).add(batch));
  const start = options.startRevision ?? (batches[0]?.revision ?? 0) + 1;
  const end = watched.through ?? batches.reduce((most, { revision }) => Math.max(most, revision), 0);
  const wanted = isWanted(watched);
  const due = history.revisions.filter((revision) => revision >= start && revision <= end && history.at(revision).some(wanted));
  return { history, watched, wanted, start, end, due, events, batchesOf };
}

/** Keys are compared as etcd does; those of the tests are ASCII. */
function isWanted({ range, options }: Watched): View['wanted'] {
  const { key, rangeEnd } = toKeyRange(range);
  const first = toText(key);
  const end = rangeEnd === undefined ? undefined : toText(rangeEnd);
  const inRange = (name: string): boolean => (end === undefined ? name === first : name >= first && (end === '\0' || name < end));
  const left = { put: options.noPut !== true, delete: options.noDelete !== true };
  return ({ type, key: name }) => left[type] && inRange(name);
}
