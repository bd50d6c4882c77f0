import { catchError, concat, defer, EMPTY, finalize, ignoreElements, map, Observable, share, throwError } from 'rxjs';
import { kvRpcs } from '../codec/kv.js';
import { hasReason } from '../errors/index.js';
import type { Caller } from '../transport/call.js';
import { multicast } from '../util/rx.js';
import { Pacer } from '../util/queue.js';
import type { WatchTarget } from './messages.js';

/**
 * Requests the store's revision by a read of the range's first key alone. To count a large range would be expensive,
 * and a user who may read the range may read that key.
 */
export function readRevision(caller: Caller, { key }: WatchTarget): Observable<number> {
  return caller.unary(kvRpcs.range, { key, countOnly: true }).pipe(map(({ header }) => header.revision));
}

/**
 * Requests the store's revision for many subscribers at a time. No subscriber may get the response to a request that
 * was sent before it subscribed, as it would miss the changes in between. So all that subscribe during a request wait
 * for the next, which is one for all of them.
 */
export class RevisionReader {
  private underWay: Observable<number> | undefined;
  private waiting: Observable<number> | undefined;
  private readonly pacer = new Pacer();

  constructor(private readonly ask: (target: WatchTarget) => Observable<number>) {}

  /** Emits the revision at the time of the subscription, or a later one. */
  of(target: WatchTarget): Observable<number> {
    return defer(() => {
      if (this.waiting === undefined) return this.paced((this.waiting = this.after(this.underWay, target)));
      // The shared request reads the key of another watch. It may be denied although this watch may read its own key.
      const alone = (error: unknown): Observable<number> =>
        hasReason(error, 'PermissionDenied') ? this.ask(target) : throwError(() => error);
      return this.paced(this.waiting).pipe(catchError(alone));
    });
  }

  private after(before: Observable<number> | undefined, target: WatchTarget): Observable<number> {
    // prettier-ignore
    const answered = before === undefined ? EMPTY : before.pipe(ignoreElements(), catchError(() => EMPTY));
    const asked = defer(() => {
      this.waiting = undefined;
      this.underWay = question;
      return this.ask(target);
    });
    const question: Observable<number> = concat(answered, asked).pipe(
      finalize(() => {
        if (this.waiting === question) this.waiting = undefined;
        if (this.underWay === question) this.underWay = undefined;
      }),
      share({ connector: () => multicast<number>() }),
    );
    return question;
  }

  /** Passes on the response to no more subscribers than a turn of the event loop has time for. */
  private paced(question: Observable<number>): Observable<number> {
    return new Observable((subscriber) => {
      let answer: number | undefined;
      return question.subscribe({
        next: (revision) => (answer = revision),
        error: (error: unknown) => this.pacer.run(() => subscriber.error(error)),
        complete: () =>
          this.pacer.run(() => {
            if (answer !== undefined) subscriber.next(answer);
            subscriber.complete();
          }),
      });
    });
  }
}
