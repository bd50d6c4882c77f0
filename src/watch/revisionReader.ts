import { catchError, concat, defer, EMPTY, finalize, ignoreElements, map, share, throwError, type Observable } from 'rxjs';
import { kvRpcs } from '../codec/kv.js';
import { hasReason } from '../errors/index.js';
import type { Caller } from '../transport/call.js';
import type { WatchTarget } from './messages.js';

/** The store's revision. Of the range's first key alone: counting a large range would cost the server, and who may read the range may read that. */
export function storeRevision(caller: Caller, { key }: WatchTarget): Observable<number> {
  return caller.unary(kvRpcs.range, { key, countOnly: true }).pipe(map(({ header }) => header.revision));
}

/**
 * The store's revision for many who want to know it at a time. Nobody may get an answer to a question that was asked before he came: what happened in between would be
 * lost to him. So all who come while one is under way wait for the next, which is one for all of them.
 */
export class StoreRevision {
  private underWay: Observable<number> | undefined;
  private waiting: Observable<number> | undefined;

  constructor(private readonly ask: (target: WatchTarget) => Observable<number>) {}

  /** The revision, at the time of subscribing or later. */
  of(target: WatchTarget): Observable<number> {
    return defer(() => {
      if (this.waiting === undefined) return (this.waiting = this.after(this.underWay, target));
      // He who asks for all may not read what the others may.
      const alone = (error: unknown): Observable<number> =>
        hasReason(error, 'PermissionDenied') ? this.ask(target) : throwError(() => error);
      return this.waiting.pipe(catchError(alone));
    });
  }

  private after(before: Observable<number> | undefined, target: WatchTarget): Observable<number> {
    const answered = before === undefined ? EMPTY : before.pipe(ignoreElements(), catchError(() => EMPTY)); // prettier-ignore
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
      share(),
    );
    return question;
  }
}
