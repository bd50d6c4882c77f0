import type { History } from './history.js';
import { viewOf, type View } from './view.js';
import type { Watched } from './watched.js';

/** A fault: at which revision, and in words. */
type Fault = readonly [revision: number, what: string];
type Judge = (view: View) => Iterable<Fault>;

/** What a watch promises, and who judges it. */
const JUDGES = {
  /** Revisions only grow. */
  *ordered({ events }) {
    let last = 0;
    for (const { event } of events) {
      if (event.revision < last) yield [event.revision, `${event.key} after revision ${last}`];
      last = Math.max(last, event.revision);
    }
  },

  /** No change of a key comes twice. */
  *unique({ events }) {
    const seen = new Set<string>();
    for (const { event } of events) {
      const id = `${event.revision} ${event.key}`;
      if (seen.has(id)) yield [event.revision, `${event.key} once more`];
      seen.add(id);
    }
  },

  /** From the first revision that was delivered to the last that was due, none is left out. */
  *reliable({ due, batchesOf, watched }) {
    const first = watched.options.startRevision === undefined ? 0 : Math.min(...batchesOf.keys());
    for (const revision of due) {
      if (revision > first && !batchesOf.has(revision)) yield [revision, 'left out'];
    }
  },

  /** The start revision is kept: nothing is left out before the first that was delivered, and none is older. */
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

  /** All changes of a revision come in one batch, and it holds nothing else. */
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

  /** What a bookmark says is so: all up to it has come, and nothing of that comes later. */
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

  /** `prevKv` is what was there before, where it was asked for. */
  *prevKv({ events, history, watched }) {
    for (const { event } of events) {
      const change = history.at(event.revision).find(({ key }) => key === event.key);
      const before = watched.options.prevKv === true ? change?.before : undefined;
      // etcd cannot say what was compacted away.
      if (event.prev === before || (event.prev === undefined && event.revision <= (watched.compacted ?? 0))) continue;
      yield [event.revision, `${event.key} was ${String(before)}, not ${String(event.prev)}`];
    }
  },

  /** What is delivered did happen, and was asked for. */
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
} satisfies Record<string, Judge>;

export type Promised = keyof typeof JUDGES;

/** A promise that was broken. */
export interface Violation {
  readonly promise: Promised;
  readonly watcher: string;
  readonly revision: number;
  readonly what: string;
}

/** All that a watch broke of its promises. */
export function violations(history: History, watched: Watched): Violation[] {
  const view = viewOf(history, watched);
  return (Object.keys(JUDGES) as Promised[]).flatMap((promise) => {
    const judge: Judge = JUDGES[promise];
    return [...judge(view)].map(([revision, what]) => ({ promise, watcher: watched.name, revision, what }));
  });
}
