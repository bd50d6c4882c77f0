import { BehaviorSubject, filter, finalize, firstValueFrom, race, retry, throwError, timer, type Observable } from 'rxjs';
import { isEtcdError } from '../errors/index.js';
import { isPassing } from '../watch/passing.js';

/** What is given back to the cluster (leases, locks) after the one who held it has left, when nobody is subscribed any more. A client waits for it when it is closed. */
export class Releases {
  private readonly pending = new BehaviorSubject(0);

  /** Gives something back. That it fails harms nobody: the lease ends by itself. */
  run(release: Observable<unknown>): void {
    this.pending.next(this.pending.value + 1);
    release.pipe(finalize(() => this.pending.next(this.pending.value - 1))).subscribe({ error: () => undefined });
  }

  /** Resolves when all is given back, or the time is over. */
  async settled(atMostMs: number): Promise<void> {
    const done = this.pending.pipe(filter((count) => count === 0));
    await firstValueFrom(race(done, timer(atMostMs)));
  }
}

const TRIES = 5;
const FIRST_PAUSE_MS = 100;

/** Repeats what gives something back, and does no harm when it is done twice: the next in a queue would otherwise wait for the end of a lease because of a cut. */
export function severalTries<T>(release: Observable<T>): Observable<T> {
  return release.pipe(
    retry({
      delay: (error: unknown, tries) =>
        tries < TRIES && isEtcdError(error) && isPassing(error) ? timer(FIRST_PAUSE_MS * 2 ** (tries - 1)) : throwError(() => error),
    }),
  );
}
