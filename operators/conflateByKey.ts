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

/** A state of a key at a revision, such as a watch event or a decoded value. */
export interface KeyedItem extends Revisioned {
  readonly kv: KeyValue;
}

/**
 * Projects changes to inner Observables, of which only one runs at a time. While it runs, the newest change of each key
 * is kept. All kept changes are projected together afterwards. So a slow consumer skips intermediate states, and never
 * falls behind.
 *
 * ```text
 * source:  -P(a=1)-P(a=2)-P(b=1)-P(a=3)--------------|
 *          conflateByKey(slow)                          (slow takes as long as four changes)
 * result:  ----------------------------{a=1}----------------------------{b=1, a=3}|
 * ```
 *
 * An Observable does not wait for its consumer. While an inner Observable runs, `concatMap` keeps every change, and
 * `exhaustMap` drops every change. With `conflateByKey`, memory is bounded by the number of changed keys, not by the
 * number of changes.
 *
 * - **Order.** Changes are in the order of their revisions. A key has the position of its newest change.
 * - **Deletions** are changes like any other, and are kept until they are projected.
 * - **Revisions are not split** if the source emits whole revisions, as `watchBatches` and {@link byRevision} do.
 *   Together, the projected changes then lead to the store's state at `revision`, the newest revision that has arrived.
 *   Single events are projected as they arrive, so the first event of a txn may be projected alone.
 * - **The end.** An error or the completion of the source is passed on after all pending changes have been projected.
 *   An error of an inner Observable, or of `project`, ends the stream at once.
 * - `prevKv` is the key with its value before the newest change. This value may never have been projected.
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
 * @param project A function that returns the work for one or more changes. The next changes are projected when the work
 * completes.
 * @return A function that returns an Observable of the values of the inner Observables.
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

/** Collects the newest change of each key until the next projection. */
class Pending<E extends KeyedItem> {
  private readonly newest = new Map<string, E>();
  private revision = 0;

  get isEmpty(): boolean {
    return this.newest.size === 0;
  }

  /** @returns whether the item contains a change */
  add(item: E | WholeRevision<E>): boolean {
    const events = 'events' in item ? item.events : [item];
    for (const event of events) {
      const id = keyId(event.kv);
      // The entry is deleted first, as a key that is only set again would keep its old position in the map.
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
