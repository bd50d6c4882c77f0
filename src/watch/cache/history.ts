import type { EventsBatch } from '../../model/events.js';

/** Dropped batches are removed from the list once they are this many, and half of it. */
const REMOVED_FROM = 64;

/** The last events of a cache, in whole revisions. The oldest are dropped when there are too many events. */
export class History {
  private readonly batches: EventsBatch[] = [];
  /** The place of the oldest batch that is held. */
  private first = 0;
  /** The number of events that are held. */
  private size = 0;

  /**
   * @param oldest the first revision that it holds; there may be no events of it
   * @param most the highest number of events
   */
  constructor(
    private oldest: number,
    private readonly most: number,
  ) {}

  /** The first revision from which on all events are held. */
  get from(): number {
    return this.oldest;
  }

  add(batch: EventsBatch): void {
    this.batches.push(batch);
    this.size += batch.events.length;
    while (this.size > this.most) this.drop();
  }

  /** Returns the batches from a revision on. */
  since(revision: number): readonly EventsBatch[] {
    let [low, high] = [this.first, this.batches.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.batches[middle]?.revision ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    return this.batches.slice(low);
  }

  private drop(): void {
    const batch = this.batches[this.first];
    if (batch === undefined) return;
    this.first += 1;
    this.size -= batch.events.length;
    this.oldest = batch.revision + 1;
    // Each batch is moved once on average.
    if (this.first < REMOVED_FROM || this.first * 2 < this.batches.length) return;
    this.batches.splice(0, this.first);
    this.first = 0;
  }
}
