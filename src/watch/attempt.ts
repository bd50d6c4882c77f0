import type { Observer, Unsubscribable } from 'rxjs';
import type { WatcherMeans } from './watcherMeans.js';
import type { WatchStream } from './watchStream.js';

/** What is tried. */
interface Trying {
  /** There is a stream for it. */
  createOn(stream: WatchStream, startRevision: number): Unsubscribable;
  error(lost: unknown): void;
}

/** A try of a watch: the place among those who want a stream, and what it is on one when there is one. */
export class Attempt implements Observer<WatchStream>, Unsubscribable {
  private created: Unsubscribable | undefined;
  private left = false;

  constructor(
    private readonly watch: Trying,
    private readonly startRevision: number,
    private readonly connections: WatcherMeans['connections'],
  ) {}

  begin(): void {
    this.connections.join(this);
  }

  next(stream: WatchStream): void {
    const created = this.watch.createOn(stream, this.startRevision);
    // It may have been refused at once.
    if (this.left) created.unsubscribe();
    else this.created = created;
  }

  error(lost: unknown): void {
    this.watch.error(lost);
  }

  /** A stream for a single watch is told of no other: it goes on. */
  complete(): void {}

  unsubscribe(): void {
    this.left = true;
    this.created?.unsubscribe();
    this.connections.leave(this);
  }
}
