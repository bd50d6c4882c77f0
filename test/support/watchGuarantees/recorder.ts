import type { Observable, Subscription } from 'rxjs';
import type { Range, WatchBatch, WatchOptions } from '../../../src/index.js';
import type { DeliveredBatch, Watched } from './watched.js';

/** Records the batches of a watch. */
export class Recorder implements Watched {
  readonly batches: DeliveredBatch[] = [];
  through: number | undefined;
  compacted = 0;
  /** How the watch ended, if it did. */
  end: { readonly error: unknown } | 'completed' | undefined;
  /** The number of delivered events. */
  events = 0;
  /** The last revision that was delivered, or named by a progress notification. */
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

  /** The next revision that the watch needs; 0 until it has reported its start revision. */
  get next(): number {
    return this.begun ? this.revision + 1 : (this.options.startRevision ?? 0);
  }

  /** Whether it has reported its start revision. */
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
