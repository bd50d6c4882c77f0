import { concatMap, map, type Observable, type OperatorFunction } from 'rxjs';
import { readNow } from '../../src/model/captured.js';

/**
 * Projects one item after the other, as `concatMap` does, but reads each when it arrives: its owner may change it while
 * it waits. An error of the reading comes in its turn, too.
 */
export function concatRead<T, C, R>(read: (item: T, index: number) => C, project: (given: C) => Observable<R>): OperatorFunction<T, R> {
  return (source) =>
    source.pipe(
      map((item, index) => readNow(() => read(item, index))),
      concatMap((given) => project(given())),
    );
}
