import { toText } from '../../../src/model/bytes.js';
import { toKeyRange } from '../../../src/model/range.js';
import type { History, Written } from './history.js';
import type { Delivered, Watched } from './watched.js';

/** An event, with its place in the delivered batches. */
export interface Placed {
  readonly event: Delivered;
  /** The index of its batch. */
  readonly batch: number;
  /** The revision of its batch. */
  readonly batchRevision: number;
}

/** The events that a watch delivered, and those that it should have delivered. */
export interface View {
  readonly history: History;
  readonly watched: Watched;
  /** Returns whether the watch must report a change. */
  readonly wanted: (change: Pick<Written, 'type' | 'key'>) => boolean;
  /** The first revision that it must report. */
  readonly start: number;
  /** The last revision that it must have reported. */
  readonly end: number;
  /** The revisions in between that it must report. */
  readonly due: readonly number[];
  readonly events: readonly Placed[];
  /** Returns the batches in which a revision was delivered. */
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

/** Keys are compared as in etcd; those of the tests are ASCII. */
function isWanted({ range, options }: Watched): View['wanted'] {
  const { key, rangeEnd } = toKeyRange(range);
  const first = toText(key);
  const end = rangeEnd === undefined ? undefined : toText(rangeEnd);
  const inRange = (name: string): boolean => (end === undefined ? name === first : name >= first && (end === '\0' || name < end));
  const left = { put: options.noPut !== true, delete: options.noDelete !== true };
  return ({ type, key: name }) => left[type] && inRange(name);
}
