import { catchError, defer, map, of, type Observable } from 'rxjs';
import type { ResponseOf } from '../codec/descriptors.js';
import { watchRpcs } from '../codec/watch.js';
import { EtcdError } from '../errors/index.js';
import { fromBase64 } from '../model/bytes.js';
import type { ClusterId } from '../model/ids.js';
import type { KeyValue } from '../model/keyValue.js';
import type { ResponseHeader } from '../model/responses.js';
import { eventsBatch, progress as bookmark, type WatchBatch, type WatchEvent } from '../model/events.js';
import { retryTransient, type StreamTimeouts } from './retryable.js';

/** The parts of a message about a watch that the cursor of the watch uses. */
export interface WatchNotification {
  readonly events: readonly WatchEvent[];
  /** Whether more parts of the same response follow. */
  readonly fragment: boolean;
  /** The revision of a progress notification: all events up to it have been sent. */
  readonly progress?: number;
  /**
   * Whether the user requested the progress notification. Such a notification is passed on even if its revision is not
   * new.
   */
  readonly requested?: boolean;
  readonly header?: ResponseHeader;
}

/**
 * Converts a later response of a watch. A response without events is a progress notification: all events up to its
 * revision have been sent.
 */
export function toNotification(
  { header, events, fragment }: ResponseOf<typeof watchRpcs.watch>,
  requested = false,
): { readonly type: 'notification' } & WatchNotification {
  const isProgress = events.length === 0 && !fragment;
  return { type: 'notification', events, fragment, header, ...(isProgress ? { progress: header.revision, requested } : {}) };
}

/**
 * Keeps the position of a watch: the revision after the last revision that was delivered completely. Delivered events
 * and progress notifications move the position. The header of a response with events never moves it, as the store may
 * be far ahead of the watch. The cursor drops events that arrive a second time after a resume.
 */
export class Cursor {
  /** The events of the last revision, if the next part of a fragmented response may continue them. */
  private held: WatchEvent[] | undefined;

  constructor(
    private nextRevision: number,
    private seenRevision = 0,
    /**
     * The last change that was delivered. The object comes from the list before the watch, or is created with the first
     * change, and is updated by later changes. So most idle watches have no such object, and a busy watch has only one.
     */
    private lastChange?: KnownChange,
  ) {}

  /**
   * The last change by which the store is recognized: it was delivered, or was the newest in the list before the watch.
   * It is undefined if there is no such change.
   */
  get knownChange(): KnownChange | undefined {
    return this.lastChange;
  }

  /** The revision to resume from. */
  get next(): number {
    return this.nextRevision;
  }

  /** The highest revision that the store is known to have had; 0 if unknown. */
  get seen(): number {
    return this.seenRevision;
  }

  /**
   * Whether the watch resumes right after a revision that exists in the store. No event of this revision has to be
   * reported.
   */
  get followsKnown(): boolean {
    return this.nextRevision > 1 && this.seenRevision >= this.nextRevision - 1;
  }

  /** Prepares for a new stream. If the old stream did not finish a response, the new stream sends it again. */
  restart(): void {
    this.held = undefined;
  }

  /** Returns the batches that a message completes: whole revisions in their order, and progress notifications. */
  accept({ events, fragment, progress, requested, header }: WatchNotification): WatchBatch[] {
    const batches: WatchBatch[] = [];
    let open = this.held ?? [];
    this.held = undefined;
    const close = (): void => {
      const [first] = open;
      if (first === undefined) return;
      batches.push(eventsBatch(open, first.revision, header));
      this.remember(first);
      this.pass(first.revision);
      open = [];
    };
    for (const event of events) {
      if (open[0] !== undefined && open[0].revision !== event.revision) close();
      if (event.revision >= this.nextRevision) open.push(event);
    }
    // If more parts follow, the last revision of this part may be incomplete. All earlier revisions are complete.
    if (fragment) this.held = open;
    else close();
    if (progress !== undefined && progress >= this.nextRevision - (requested === true ? 1 : 0)) {
      this.pass(progress);
      batches.push(bookmark(progress, header));
    }
    return batches;
  }

  private remember({ type, kv, revision }: WatchEvent): void {
    const last = (this.lastChange ??= { key64: '', revision, deleted: false });
    // The value of the key is not kept.
    last.key64 = kv.keyBase64;
    last.revision = revision;
    last.deleted = type === 'delete';
  }

  private pass(revision: number): void {
    this.nextRevision = revision + 1;
    this.seenRevision = Math.max(this.seenRevision, revision);
  }
}

/** The position from which a watch reports changes. */
export interface WatchStart {
  /** The first revision to report. */
  readonly next: number;
  /** The highest revision that the store is known to have had; 0 if unknown. */
  readonly seen: number;
  /** The newest change that the store is known to have had. */
  readonly knownChange?: KnownChange | undefined;
}

/** Returns the start right after a revision that exists in the store. */
export const after = (seen: number): WatchStart => ({ next: seen + 1, seen });

/**
 * The start of a watch, while it is unknown. Until the start is found, the client's own writes are recorded for the
 * watch.
 */
export interface PendingStart {
  /** Finds the start of the watch. */
  find(): Observable<WatchStart>;
  /** Stops recording writes. The end of {@link find} does the same. */
  end(): void;
}

/** A store as a watch has seen it. The revision is the highest that the store is known to have had; 0 if unknown. */
export interface ClusterSnapshot {
  readonly clusterId: ClusterId;
  readonly revision: number;
}

/** A change that the store is known to have had. */
export interface KnownChange {
  key64: string;
  revision: number;
  deleted: boolean;
}

/** Reads a key as it was at a revision. */
export type ReadAt = (key: Uint8Array, revision: number) => Observable<KeyValue | undefined>;

/** The id of an unknown cluster. A proxy or a test may omit the header that has the id. */
export const UNKNOWN_CLUSTER = '0' as ClusterId;

/**
 * Emits if a watch resumes on the same store as before. A store that was wiped, or restored from an old backup, counts
 * its revisions again from a lower one. A watch that resumed on such a store would receive nothing until the revisions
 * are as high as before. It would then continue with the changes of another history. Errors with `ClusterIDMismatch`,
 * or with `FutureRev` if the store has not reached the revision that was seen.
 *
 * @param before the state of the store that the watch has seen
 * @param now the store that responded to the create request
 * @param newest requests the store's revision from the cluster, not just from a member
 */
export function assertSameCluster(before: ClusterSnapshot, now: ClusterSnapshot, newest: Observable<number>): Observable<unknown> {
  if (before.clusterId !== now.clusterId && ![before.clusterId, now.clusterId].includes(UNKNOWN_CLUSTER))
    throw lost('ClusterIDMismatch', `the cluster id changed from ${before.clusterId} to ${now.clusterId}`);
  if (now.revision === 0 || now.revision >= before.revision) return of(undefined);
  // A single member may lag behind, but a linearizable read returns the newest revision of the cluster.
  return newest.pipe(
    map((latest) => {
      if (latest < before.revision)
        throw lost('FutureRev', `the store is at revision ${latest}, but the watch has seen ${before.revision}: it was wiped or restored`);
    }),
  );
}

/**
 * Checks that a store has had a change, by a read of the key at the revision of the change. Errors with `FutureRev` if
 * the key was different at that revision. In that case, the store was wiped or restored, and its revisions are now
 * higher than those that the watch had seen. The read is retried while its failure may be temporary. Emits if the store
 * had the change. Also emits if that cannot be decided, because the revision is compacted or the read is rejected.
 */
export function assertHasChange({ key64, revision, deleted }: KnownChange, readAt: ReadAt, timeouts: StreamTimeouts): Observable<unknown> {
  // A deleted key still existed at the revision before its deletion.
  const read = defer(() => readAt(fromBase64(key64), deleted ? revision - 1 : revision));
  return retryTransient(read, timeouts).pipe(
    map((kv) => (deleted ? kv !== undefined : kv?.modRevision === revision)),
    catchError(() => of(true)),
    map((same) => {
      if (!same) throw lost('FutureRev', `a change that the watch saw at revision ${revision} is missing: the store was wiped or restored`);
    }),
  );
}

const lost = (reason: 'ClusterIDMismatch' | 'FutureRev', message: string): EtcdError =>
  new EtcdError(reason, message, { rpc: watchRpcs.watch.name });
