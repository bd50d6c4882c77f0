import { combineLatest, map, type Observable } from 'rxjs';
import type { Client, KeyValue } from '../../../src/index.js';
import { RANGES, sumOf } from './transfers.js';
import type { Whole } from './wholeChecker.js';

const sumOfParts = (first: ReadonlyMap<string, KeyValue>, one: Iterable<KeyValue>, last: ReadonlyMap<string, KeyValue>): number =>
  sumOf([...first.values(), ...one, ...last.values()]);

/** The states of the three ranges, combined by `combineLive`. */
export function combinedSums({ combineLive }: Pick<Client, 'combineLive'>): Observable<Whole> {
  return combineLive(RANGES).pipe(
    map(({ type, revision, value: { first, one, last } }) => ({
      type,
      revision,
      sum: sumOfParts(first, one === undefined ? [] : [one], last),
      describe: () =>
        [...first.values(), ...(one === undefined ? [] : [one]), ...last.values()]
          .map(({ key, value, modRevision }) => `${key}=${value}@${modRevision}`)
          .join(' '),
    })),
  );
}

/** The states of the three ranges, combined by `combineLatest`. */
export function latestSums({ live }: Pick<Client, 'live'>): Observable<Whole> {
  return combineLatest([live(RANGES.first), live(RANGES.one), live(RANGES.last)]).pipe(
    map((all, index) => ({
      type: index === 0 ? 'snapshot' : 'change',
      revision: Math.max(...all.map(({ revision }) => revision)),
      sum: sumOfParts(all[0].state, all[1].state.values(), all[2].state),
    })),
  );
}
