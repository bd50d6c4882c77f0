import type { Observer } from 'rxjs';
import type { WatchBatch } from '../model/watchBatch.js';
import type { WatchEvent } from '../model/watchEvent.js';
import type { Company } from './lightObservable.js';

/** Takes batches apart for somebody. */
export class EventsOf implements Observer<WatchBatch>, Company<WatchEvent> {
  private readonly batches: Company<WatchBatch>;

  constructor(
    private readonly member: Observer<WatchEvent>,
    join: (events: Observer<WatchBatch>) => Company<WatchBatch>,
  ) {
    this.batches = join(this);
  }

  next({ events }: WatchBatch): void {
    for (const event of events) this.member.next(event);
  }

  error(error: unknown): void {
    this.member.error(error);
  }

  complete(): void {
    this.member.complete();
  }

  leave(): void {
    this.batches.leave(this);
  }
}
