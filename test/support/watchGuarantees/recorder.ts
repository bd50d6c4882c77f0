import type { Observable, Subscription } from 'rxjs';
import type { Range, WatchBatch, WatchOptions } from '../../../src/index.js';
import type { DeliveredBatch, Watched } from './watched.js';

/** Writes down what a watch delivers. */
export class Recorder implements Watched {
  readonly batches: DeliveredBatch[] = [];
  through: number | undefined;
  compacted = 0;
  /** How it ended, if it did. */
  end: { readonly error: unknown } | 'completed' | undefined;
  /** How many it delivered. */
  events = 0;
  /** The last that it delivered, or bookmarked. */
  revision = 0;
  private readonly subscription: Subscription;

  constructor(
    readonly name: string,
    readonly range: Range,
    readonly options: WatchOptions,
    source: Observable<WatchBatch>,
  ) {
    this.subscription = source.subscribe({
      next: (batch) => this.note(batch),
      error: (error: unknown) => (this.end = { error }),
      complete: () => (this.end = 'completed'),
    });
  }

  /** The first revision that it has not had yet; 0 where it has not said from where on it watches. */
  get next(): number {
    return this.begun ? this.revision + 1 : (this.options.startRevision ?? 0);
  }

  /** It has said from where on it watches. */
  get begun(): boolean {
    return this.batches.length > 0;
  }

  stop(): void {
    this.subscription.unsubscribe();
  }

  private note({ type, revision, events }: WatchBatch): void {
    const delivered = events.map((event) => ({
      type: event.type,
      key: event.kv.key,
      value: event.kv.value,
      prev: event.prevKv?.value,
      revision: event.revision,
    }));
    this.batches.push({ type, revision, events: delivered });
    this.events += events.length;
    this.revision = revision;
  }
}
