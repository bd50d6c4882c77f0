import { concatMap, map, type Observable, type OperatorFunction } from 'rxjs';
import { readNow } from '../../src/model/captured.js';

/**
 * Projects one item after the other, as `concatMap` does. Each item is read when it arrives, as the caller may change
 * the item while it waits. If reading an item fails, the error is emitted after the results of the items before it.
 */
export function concatRead<T, C, R>(read: (item: T, index: number) => C, project: (given: C) => Observable<R>): OperatorFunction<T, R> {
  return (source) =>
    source.pipe(
      map((item, index) => readNow(() => read(item, index))),
      concatMap((given) => project(given())),
    );
}
