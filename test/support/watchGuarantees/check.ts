import type { History } from './history.js';
import { viewOf, type View } from './view.js';
import type { Watched } from './watched.js';

/** A violation: its revision, and a description. */
type Fault = readonly [revision: number, what: string];
type Check = (view: View) => Iterable<Fault>;

/** The guarantees of a watch, with their checks. */
const CHECKS = {
  /** Revisions only grow. */
  *ordered({ events }) {
    let last = 0;
    for (const { event } of events) {
      if (event.revision < last) yield [event.revision, `${event.key} after revision ${last}`];
      last = Math.max(last, event.revision);
    }
  },

  /** No change of a key is delivered twice. */
  *unique({ events }) {
    const seen = new Set<string>();
    for (const { event } of events) {
      const id = `${event.revision} ${event.key}`;
      if (seen.has(id)) yield [event.revision, `${event.key} once more`];
      seen.add(id);
    }
  },

  /** From the first delivered revision to the last due one, none is missing. */
  *reliable({ due, batchesOf, watched }) {
    const first = watched.options.startRevision === undefined ? 0 : Math.min(...batchesOf.keys());
    for (const revision of due) {
      if (revision > first && !batchesOf.has(revision)) yield [revision, 'left out'];
    }
  },

  /** The start revision is respected: no revision is missing before the first delivered one, and none is older. */
  *resumable({ due, batchesOf, start, events, watched }) {
    for (const { event } of events) {
      if (event.revision < start) yield [event.revision, `${event.key}, from before the start at ${start}`];
    }
    if (watched.options.startRevision === undefined) return;
    const first = Math.min(...batchesOf.keys());
    for (const revision of due) {
      if (revision < first) yield [revision, `left out, after the start at ${start}`];
    }
  },

  /** All changes of a revision are in one batch, without any other change. */
  *atomic({ history, events, batchesOf, wanted }) {
    for (const { event, batchRevision } of events) {
      if (event.revision !== batchRevision) yield [event.revision, `${event.key} in the batch of ${batchRevision}`];
    }
    const keysOf = new Map<number, Set<string>>();
    for (const { event } of events) keysOf.set(event.revision, (keysOf.get(event.revision) ?? new Set<string>()).add(event.key));
    for (const [revision, batches] of batchesOf) {
      if (batches.size > 1) yield [revision, `spread over ${batches.size} batches`];
      const absent = history.at(revision).filter((change) => wanted(change) && keysOf.get(revision)?.has(change.key) !== true);
      if (absent.length > 0) yield [revision, `without ${absent.map(({ key }) => key).join(', ')}`];
    }
  },

  /**
   * A progress notification is true: all events up to its revision were delivered before it, and none of them after it.
   */
  *bookmarkable({ watched, due }) {
    const delivered = new Set<number>();
    let marked = 0;
    let checked = 0;
    for (const { type, revision, events } of watched.batches) {
      for (const event of events) {
        if (event.revision <= marked) yield [event.revision, `${event.key} after the bookmark of ${marked}`];
        delivered.add(event.revision);
      }
      if (type === 'events') continue;
      if (events.length > 0) yield [revision, 'a bookmark with events'];
      if (revision < marked) yield [revision, `a bookmark after that of ${marked}`];
      marked = Math.max(marked, revision);
      for (let next = due[checked]; next !== undefined && next <= marked; next = due[++checked]) {
        if (!delivered.has(next)) yield [next, `not there at the bookmark of ${marked}`];
      }
    }
  },

  /** `prevKv` is the previous value, if it was requested. */
  *prevKv({ events, history, watched }) {
    for (const { event } of events) {
      const change = history.at(event.revision).find(({ key }) => key === event.key);
      const before = watched.options.prevKv === true ? change?.before : undefined;
      // etcd cannot send a value that was compacted.
      if (event.prev === before || (event.prev === undefined && event.revision <= (watched.compacted ?? 0))) continue;
      yield [event.revision, `${event.key} was ${String(before)}, not ${String(event.prev)}`];
    }
  },

  /** Every delivered event has happened, and was requested. */
  *true({ events, history, wanted, watched }) {
    for (const { event } of events) {
      const { type, key, value, revision } = event;
      const change = history.at(revision).find((candidate) => candidate.key === key);
      if (change?.type !== type || change.value !== value) yield [revision, `${key}: ${type} '${value}' never happened`];
      else if (!wanted(event)) yield [revision, `${key}: ${type}, which was not asked for`];
    }
    for (const { type, revision, events: none } of watched.batches)
      if (type === 'events' && none.length === 0) yield [revision, 'a batch of nothing'];
  },
} satisfies Record<string, Check>;

export type Promised = keyof typeof CHECKS;

/** A promise that was broken. */
export interface Violation {
  readonly promise: Promised;
  readonly watcher: string;
  readonly revision: number;
  readonly what: string;
}

/** Returns the violated guarantees of a watch. */
export function violations(history: History, watched: Watched): Violation[] {
  const view = viewOf(history, watched);
  return (Object.keys(CHECKS) as Promised[]).flatMap((promise) => {
    const check: Check = CHECKS[promise];
    return [...check(view)].map(([revision, what]) => ({ promise, watcher: watched.name, revision, what }));
  });
}
