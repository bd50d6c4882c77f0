import type { Observer, Unsubscribable } from 'rxjs';
import type { WatchStream } from './watchStream.js';

/** What is tried. */
interface Trying {
  /** It has not been given up for another try. */
  isOn(attempt: Attempt): boolean;
  /** There is a stream for it. */
  createOn(stream: WatchStream, startRevision: number): Unsubscribable;
  error(lost: unknown): void;
  /** Gives up the place among those who want a stream. */
  leave(attempt: Attempt): void;
}

/** A try of a watch: the place among those who want a stream, and what it is on one when there is one. */
export class Attempt implements Observer<WatchStream>, Unsubscribable {
  private created: Unsubscribable | undefined;

  constructor(
    private readonly watch: Trying,
    private readonly startRevision: number,
  ) {}

  next(stream: WatchStream): void {
    const created = this.watch.createOn(stream, this.startRevision);
    // It may have been refused at once.
    if (this.watch.isOn(this)) this.created = created;
    else created.unsubscribe();
  }

  error(lost: unknown): void {
    this.watch.error(lost);
  }

  /** A stream for a single watch is told of no other: it goes on. */
  complete(): void {}

  unsubscribe(): void {
    this.created?.unsubscribe();
    this.watch.leave(this);
  }
}
