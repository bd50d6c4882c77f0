import { AsyncSubject, BehaviorSubject, filter, finalize, firstValueFrom, of, race, retry, throwError, timer, type Observable } from 'rxjs';
import { isEtcdError } from '../../errors/index.js';
import { isPassing } from '../../watch/retryable.js';

/** What is given back to the cluster (leases, locks) after the one who held it has left, when nobody is subscribed any more. A client waits for it when it is closed. */
export class Releases {
  private readonly pending = new BehaviorSubject(0);
  private readonly byKey = new Map<string, Observable<void>>();

  /**
   * Gives something back. That it fails harms nobody: the lease ends by itself.
   *
   * @param key what may be asked for again, and has to be given back before that
   */
  run(release: Observable<unknown>, key?: string): void {
    const over = new AsyncSubject<void>();
    if (key !== undefined) this.byKey.set(key, over);
    this.pending.next(this.pending.value + 1);
    const end = (): void => {
      this.pending.next(this.pending.value - 1);
      if (key !== undefined && this.byKey.get(key) === over) this.byKey.delete(key);
      over.next();
      over.complete();
    };
    release.pipe(finalize(end)).subscribe({ error: () => undefined });
  }

  /** Emits once when a key is not about to be given back any more, be it that it was not. */
  whenGivenBack(key: string): Observable<void> {
    return this.byKey.get(key) ?? of(undefined);
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
