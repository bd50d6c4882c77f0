import { Map as PersistentMap } from 'immutable';
import { toBase64 } from '../../model/bytes.js';
import { keyId, KeyValue } from '../../model/keyValue.js';
import { Snapshot } from '../../model/immutableMapView.js';
import type { EventsBatch, WatchEvent } from '../../model/events.js';
import { asyncScheduler, concatMap, defer, filter, last, map, Observable, of } from 'rxjs';
import type { Range } from '../../model/range.js';
import type { RangeResponse } from '../../model/responses.js';
import type { WatchTarget } from '../messages.js';
import { after, type KnownChange } from '../cursor.js';
import { observeWatcher, type WatcherDeps } from '../watcher.js';
import { hasReason } from '../../errors/index.js';
import { Backoff, retryAfter } from '../../util/time.js';
import { handOver } from '../../util/rx.js';
import { retryTransient } from '../retryable.js';

/** The present state of some keys, as it was listed at one revision. */
export interface Listed {
  readonly revision: number;
  /** The newest change among the keys that were listed. */
  readonly knownChange: KnownChange | undefined;
}

/** The steps of following keys. */
export interface FollowSteps<L extends Listed, U> {
  /** Lists the keys. It is subscribed to again if the history is lost. */
  readonly list: Observable<L>;
  /** Takes a list over, and emits one update. */
  readonly begin: (listed: L) => Observable<U>;
  /** Applies a later revision. Returns undefined if it concerns none of the keys. */
  readonly change: (batch: EventsBatch) => U | undefined;
}

/**
 * Lists keys, and then watches them from the next revision on, so that no change is missed. If the history is lost,
 * they are listed again.
 */
export function listAndWatch<L extends Listed, U>(
  target: WatchTarget,
  { list, begin, change }: FollowSteps<L, U>,
  deps: WatcherDeps,
): Observable<U> {
  return defer(() => {
    let following = false;
    const backoff = new Backoff(deps.settings.initialBackoffMs, deps.settings.maxBackoffMs);

    const follow = ({ revision, knownChange }: Listed): Observable<U> =>
      observeWatcher(target, { ...after(revision), knownChange }, deps).pipe(
        map((batch) => (batch.type === 'events' ? change(batch) : undefined)),
        filter((update) => update !== undefined),
      );

    const listing = defer(() => {
      following = false;
      // This list may be the first call to find that no endpoint can be reached.
      return deps.streams.track(retryTransient(list, deps.settings, deps.streams.reportRetry));
    });

    /**
     * Returns whether the history is lost while the present state can still be listed. A list that is itself too long
     * stays so.
     */
    const isHistoryLost = (error: unknown): boolean =>
      hasReason(error, 'Compacted') || (following && hasReason(error, 'ResponseTooLarge', 'FutureRev', 'ClusterIDMismatch'));

    const run = (listed: L): Observable<U> => {
      backoff.reset();
      following = true;
      return handOver(
        begin(listed),
        (update) =>
          new Observable((subscriber) => {
            subscriber.next(update);
            if (!subscriber.closed) follow(listed).subscribe(subscriber);
          }),
      );
    };

    return handOver(listing, run).pipe(
      // The history was lost during the list, or while the watch was disconnected. Other errors that may pass are
      // retried within the list and the watch.
      retryAfter((error) => (isHistoryLost(error) ? backoff.next() : undefined)),
    );
  });
}

/** A state of a live range, with the changes that led to it. */
export interface LiveUpdate {
  /**
   * - `snapshot`: the state when you subscribed; `changes` is empty
   * - `change`: one revision; `changes` are its events
   * - `resync`: the range was listed again; `changes` are what must have happened, deletes included. The history since
   *   the last update was compacted, is more than an old server can send, or belongs to another store (wiped, restored,
   *   replaced).
   */
  readonly type: 'snapshot' | 'change' | 'resync';
  /** The revision of the store that has this state. */
  readonly revision: number;
  /**
   * The keys with their values, by key. The map never changes: keep it, compare it, share it. A key that is not UTF-8
   * is found under U+FFFD and its base64.
   */
  readonly state: ReadonlyMap<string, KeyValue>;
  /** The changes, each with the previous key-value if there was one. */
  readonly changes: readonly WatchEvent[];
}

/** Reads a range page by page, at the present revision or at an earlier one. */
export type ReadPages = (range: Range, revision?: number) => Observable<RangeResponse>;

/** A range as it was listed. */
export interface ListedRange extends Listed {
  readonly entries: LiveEntries;
}

/** Lists a range, and then watches it from the next revision on, so that no change is missed. */
export function liveUpdates(range: Range, target: WatchTarget, readPages: ReadPages, deps: WatcherDeps): Observable<LiveUpdate> {
  return defer(() => {
    let current: LiveEntries | undefined;
    return listAndWatch<ListedRange, LiveUpdate>(
      target,
      {
        list: listRange(range, readPages),
        begin: ({ entries, revision }) => {
          const before = current;
          current = entries;
          const state = entries.snapshot;
          if (before === undefined) return of({ type: 'snapshot', revision, state, changes: [] });
          return inSlices(() => before.changesTo(entries, revision)).pipe(
            map((changes): LiveUpdate => ({ type: 'resync', revision, state, changes })),
          );
        },
        change: ({ revision, events }) => {
          const next = current?.apply(events);
          if (next === undefined) return undefined;
          current = next.entries;
          return { type: 'change', revision, state: next.entries.snapshot, changes: next.changes };
        },
      },
      deps,
    );
  });
}

/** Lists a range, at the present revision or at an earlier one. */
export function listRange(range: Range, readPages: ReadPages, at?: number): Observable<ListedRange> {
  // The collected state belongs to one subscription: a list that is read again begins with nothing.
  return defer(() => {
    const gathered = LiveEntries.gather();
    let revision = at ?? 0;
    let newest: KeyValue | undefined;
    return readPages(range, at).pipe(
      // The next page is requested before this one is collected: server and client work at the same time.
      concatMap((page) => {
        // The header of the first page has the revision that all pages show. Later headers have the revision of their
        // time.
        if (revision === 0) revision = page.header.revision;
        for (const kv of page.kvs) if (newest === undefined || kv.modRevision > newest.modRevision) newest = kv;
        return inSlices(() => gathered.add(page.kvs));
      }),
      last(),
      map(() => ({ entries: gathered.done(), revision, knownChange: newest && toKnownChange(newest) })),
    );
  });
}

const toKnownChange = ({ keyBase64, modRevision }: KeyValue): KnownChange => ({ key64: keyBase64, revision: modRevision, deleted: false });

type Entries = PersistentMap<string, KeyValue>;

/** The key-values of a range at a revision. A new state shares all that did not change with the old one. */
export class LiveEntries {
  private constructor(private readonly entries: Entries) {}

  /** Collects entries that arrive in parts. */
  static gather(): { add(kvs: Iterable<KeyValue>): Steps<void>; done(): LiveEntries } {
    const draft = PersistentMap<string, KeyValue>().asMutable();
    return {
      *add(kvs) {
        for (const kv of kvs) {
          draft.set(keyId(kv), kv);
          yield;
        }
      },
      done: () => new LiveEntries(draft.asImmutable()),
    };
  }

  get snapshot(): ReadonlyMap<string, KeyValue> {
    return new Snapshot(this.entries);
  }

  /**
   * Returns the state after the events of a revision, and the events with the previous key-values. These are known
   * here, whether the server sent them or not.
   */
  apply(events: readonly WatchEvent[]): { readonly entries: LiveEntries; readonly changes: readonly WatchEvent[] } {
    const changes: WatchEvent[] = [];
    // A single change of a persistent map costs less than a draft of it.
    let entries = events.length === 1 ? this.entries : this.entries.asMutable();
    for (const event of events) {
      const id = keyId(event.kv);
      const prevKv = entries.get(id);
      changes.push(prevKv === undefined ? event : { ...event, prevKv });
      entries = event.type === 'put' ? entries.set(id, event.kv) : entries.delete(id);
    }
    return { entries: new LiveEntries(entries.asImmutable()), changes };
  }

  /**
   * Returns the events that must have happened between this state and a later one if the history is lost. Keys that are
   * missing were deleted.
   */
  *changesTo(later: LiveEntries, revision: number): Steps<readonly WatchEvent[]> {
    const changes: WatchEvent[] = [];
    for (const [id, prevKv] of this.entries) {
      yield;
      if (!later.entries.has(id)) changes.push({ type: 'delete', kv: tombstone(prevKv, revision), prevKv, revision });
    }
    for (const [id, kv] of later.entries) {
      yield;
      const prevKv = this.entries.get(id);
      if (prevKv === undefined || !kv.isUnchangedSince(prevKv))
        changes.push({ type: 'put', kv, ...(prevKv === undefined ? {} : { prevKv }), revision: kv.modRevision });
    }
    return changes;
  }
}

/** Returns what etcd sends for a deleted key: its name, and the revision at which it is known to be deleted. */
function tombstone({ keyBytes }: KeyValue, revision: number): KeyValue {
  return new KeyValue({ key64: toBase64(keyBytes), value64: '', createRevision: 0, modRevision: revision, version: 0, lease: undefined });
}

/** The number of steps after which the rest waits for the next turn of the event loop: some milliseconds of work. */
const SLICE = 4_096;

/** Work that yields after each step, and returns its result. */
export type Steps<T> = Generator<void, T, void>;

/** Does long work in slices, so that the event loop gets its turns meanwhile. Emits the result. */
export function inSlices<T>(work: () => Steps<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const steps = work();
    return asyncScheduler.schedule(function () {
      let step: IteratorResult<void, T> | undefined;
      try {
        for (let count = 0; count < SLICE && step?.done !== true; count++) step = steps.next();
      } catch (error) {
        return subscriber.error(error);
      }
      if (step?.done !== true) return void this.schedule();
      subscriber.next(step.value);
      subscriber.complete();
    });
  });
}
