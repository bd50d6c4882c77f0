import { asyncScheduler, concatMap, defer, last, map, Observable } from 'rxjs';
import type { ClusterId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';
import type { RangeResponse } from '../../model/responses.js';
import type { KnownChange } from '../cursor.js';
import type { Listed } from './listAndWatch.js';

/** Reads a range page by page, at the present revision or at an earlier one. */
export type ReadPages = (range: Range, revision?: number) => Observable<RangeResponse>;

/** Collects the key-values of a list, page by page. */
export interface Collector<T> {
  add(kvs: Iterable<KeyValue>): Steps<void>;
  done(): T;
}

/** A range as it was listed. */
export interface ListedKeys<T> extends Listed {
  readonly entries: T;
  /** The cluster that sent the list. */
  readonly clusterId: ClusterId;
}

/** Lists a range, at the present revision or at an earlier one. */
export function listKeys<T>(collect: () => Collector<T>, range: Range, readPages: ReadPages, at?: number): Observable<ListedKeys<T>> {
  // The collected state belongs to one subscription: a list that is read again begins with nothing.
  return defer(() => {
    const gathered = collect();
    let revision = at ?? 0;
    let newest: KeyValue | undefined;
    return readPages(range, at).pipe(
      // The next page is requested before this one is collected: server and client work at the same time.
      concatMap((page) => {
        // The header of the first page has the revision that all pages show. Later headers have the revision of their
        // time.
        if (revision === 0) revision = page.header.revision;
        for (const kv of page.kvs) if (newest === undefined || kv.modRevision > newest.modRevision) newest = kv;
        return inSlices(() => gathered.add(page.kvs)).pipe(map(() => page.header.clusterId));
      }),
      last(),
      map((clusterId) => ({ entries: gathered.done(), revision, clusterId, knownChange: newest && toKnownChange(newest) })),
    );
  });
}

const toKnownChange = ({ keyBase64, modRevision }: KeyValue): KnownChange => ({ key64: keyBase64, revision: modRevision, deleted: false });

/** The number of steps after which the rest waits for the next turn of the event loop: some milliseconds of work. */
const SLICE = 4_096;

/** Work that yields after each step, and returns its result. */
export type Steps<T> = Generator<void, T, void>;

/** Does long work in slices, so that the event loop gets its turns meanwhile. Emits the result. */
export function inSlices<T>(work: () => Steps<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const steps = work();
    return asyncScheduler.schedule(function () {
      let step: IteratorResult<void, T> | undefined;
      try {
        for (let count = 0; count < SLICE && step?.done !== true; count++) step = steps.next();
      } catch (error) {
        return subscriber.error(error);
      }
      if (step?.done !== true) return void this.schedule();
      subscriber.next(step.value);
      subscriber.complete();
    });
  });
}
