import {
  catchError,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  of,
  repeat,
  throwError,
  type ObservableInput,
  type OperatorFunction,
} from 'rxjs';
import { checkArgument, FUNCTION } from '../src/model/validate.js';
import { keyId, type KeyValue } from '../src/model/keyValue.js';
import type { Revisioned, WholeRevision } from './internal/revisionCursor.js';

/** Anything that says what a key is at a revision: a watch event, a decoded value. */
export interface KeyedItem extends Revisioned {
  readonly kv: KeyValue;
}

/**
 * Projects changes to an inner Observable, one at a time. While one runs, it keeps the newest change of each key, and
 * projects them together afterwards. So a slow consumer skips intermediate states, and never falls behind.
 *
 * ```text
 * source:  -P(a=1)-P(a=2)-P(b=1)-P(a=3)--------------|
 *          conflateByKey(slow)                          (slow takes as long as four changes)
 * result:  ----------------------------{a=1}----------------------------{b=1, a=3}|
 * ```
 *
 * An Observable does not wait for its consumer. `concatMap` keeps every change in the meantime, and `exhaustMap` loses
 * them. Here memory is bounded by the number of changed keys, not by the number of changes.
 *
 * - **Order.** Changes are in the order of their revisions. A key has the position of its newest change.
 * - **Deletions** are changes like any other, and are kept until they were projected.
 * - **Revisions are not split** where the source emits whole ones, as `watchBatches` and {@link byRevision} do. The
 *   projected changes then add up to the store's state at `revision`, the newest that has arrived. Single events are
 *   projected as they come, and the first event of a transaction may go alone.
 * - **The end.** An error of the source, or its completion, is passed on after all pending changes were projected. An
 *   error of an inner Observable, or of `project`, ends the stream at once.
 * - `prevKv` is the value before the newest change, which may never have been projected.
 *
 * An item without events, such as a progress notification, is not projected.
 *
 * ## Example
 *
 * ```ts
 * etcd.watchBatches({ prefix: 'prices/' }).pipe(
 *   conflateByKey(({ revision, events }) => save(revision, events)), // returns a Promise
 * ).subscribe((saved) => console.log(saved));
 *
 * // etcdctl put prices/tea 1
 * // etcdctl put prices/tea 2
 * // etcdctl put prices/tea 3
 * // Logs:
 * // saved tea=1
 * // saved tea=3
 * ```
 *
 * @see {@link byRevision}
 * @see {@link toAsyncIterable}
 *
 * @param project Does the work for some changes, at least one. The next changes are projected when it completes.
 * @return A function that returns an Observable of what the inner Observables emit.
 */
export function conflateByKey<E extends KeyedItem, R>(
  project: (changes: WholeRevision<E>, index: number) => ObservableInput<R>,
): OperatorFunction<E | WholeRevision<E>, R> {
  checkArgument('conflateByKey', 'project', project, FUNCTION);
  return (source) =>
    defer(() => {
      const pending = new Pending<E>();
      let index = 0;
      let failure: { readonly error: unknown } | undefined;
      const projectAll = defer(() => project(pending.take(), index++)).pipe(repeat({ delay: () => (pending.isEmpty ? EMPTY : of(true)) }));
      const projected = source.pipe(
        catchError((error: unknown) => {
          failure = { error };
          return EMPTY;
        }),
        filter((item) => pending.add(item)),
        exhaustMap(() => projectAll),
      );
      const end = defer(() => {
        if (failure === undefined) return EMPTY;
        const { error } = failure;
        return throwError(() => error);
      });
      return concat(projected, end);
    });
}

/** The newest change of each key. */
class Pending<E extends KeyedItem> {
  private readonly newest = new Map<string, E>();
  private revision = 0;

  get isEmpty(): boolean {
    return this.newest.size === 0;
  }

  /** @returns whether there was any change in it */
  add(item: E | WholeRevision<E>): boolean {
    const events = 'events' in item ? item.events : [item];
    for (const event of events) {
      const id = keyId(event.kv);
      // Set again, it goes to the end.
      this.newest.delete(id);
      this.newest.set(id, event);
    }
    this.revision = Math.max(this.revision, item.revision);
    return events.length > 0;
  }

  take(): WholeRevision<E> {
    const events = [...this.newest.values()];
    this.newest.clear();
    return { revision: this.revision, events };
  }
}
