import { progress as bookmark, type WatchBatch } from '../model/watchBatch.js';
import type { WatchEvent } from '../model/watchEvent.js';

/** What a server says on a watch, as far as a cursor cares. */
export interface WatchNews {
  readonly events: readonly WatchEvent[];
  /** More parts of the same response follow. */
  readonly fragment: boolean;
  /** Set on a bookmark: all up to here has been sent. */
  readonly progress?: number;
}

/**
 * Where a watch is: the revision after the last one that was delivered whole. It is moved by what was delivered and by bookmarks, never by a
 * header, whose revision is the store's and may be far ahead. What comes a second time after a resume is dropped here.
 */
export class Cursor {
  /** Events of a revision that may go on in the next part of a fragmented response. */
  private held: WatchEvent[] | undefined;

  constructor(
    private nextRevision: number,
    private seenRevision = 0,
  ) {}

  /** Where to resume. */
  get next(): number {
    return this.nextRevision;
  }

  /** The highest revision that the store is known to have had; 0 where that is not known. */
  get seen(): number {
    return this.seenRevision;
  }

  /** A new stream begins: parts of a response that the old one did not finish will be sent again. */
  restart(): void {
    this.held = undefined;
  }

  /** What the news complete: whole revisions in their order, and bookmarks. */
  accept({ events, fragment, progress }: WatchNews): WatchBatch[] {
    const batches: WatchBatch[] = [];
    let open = this.held ?? [];
    this.held = undefined;
    const close = (): void => {
      const [first] = open;
      if (first === undefined) return;
      batches.push({ type: 'events', revision: first.revision, events: open });
      this.pass(first.revision);
      open = [];
    };
    for (const event of events) {
      if (open[0] !== undefined && open[0].revision !== event.revision) close();
      if (event.revision >= this.nextRevision) open.push(event);
    }
    // Only the end of a part can cut a revision; what lies before it is whole.
    if (fragment) this.held = open;
    else close();
    if (progress !== undefined && progress >= this.nextRevision) {
      this.pass(progress);
      batches.push(bookmark(progress));
    }
    return batches;
  }

  private pass(revision: number): void {
    this.nextRevision = revision + 1;
    this.seenRevision = Math.max(this.seenRevision, revision);
  }
}
