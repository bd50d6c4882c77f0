import { catchError, defer, EMPTY, lastValueFrom, map, type Observable, of, repeat, throwError, timer } from 'rxjs';
import { persistenceOf } from '../../../src/errors/index.js';
import { del, isEtcdError, put, type Cache, type Client } from '../../../src/index.js';
import type { Random } from '../random.js';
import type { LinearizabilityChecker } from './linearizability.js';

export const PREFIX = 'lin/';
export const KEYS = Array.from({ length: 8 }, (_, index) => `${PREFIX}${index}`);

/** Returns whether a call failed because of a temporary fault. */
const ofFault = (error: unknown): boolean =>
  isEtcdError(error) && (['AmbiguousWrite', 'DeadlineExceeded'].includes(error.reason) || persistenceOf(error) !== 'permanent');

/** Repeats something as long as it may run, and ignores errors of temporary faults. */
function repeated(once: () => Observable<unknown>, mayGo: () => boolean, pauseMs: () => number): Promise<unknown> {
  const one = defer(once).pipe(catchError((error: unknown) => (ofFault(error) ? of(undefined) : throwError(() => error))));
  return lastValueFrom(one.pipe(repeat({ delay: () => (mayGo() ? timer(pauseMs()) : EMPTY) })), { defaultValue: undefined });
}

/** Writes puts, deletes and txns, also of keys beside the range, one after the other. */
export function writeAtRandom(
  { kv }: Pick<Client, 'kv'>,
  random: Random,
  checkers: readonly LinearizabilityChecker[],
  mayGo: () => boolean,
  pauseMs = () => 1,
): Promise<unknown> {
  let count = 0;
  const value = (): string => String(++count);
  const write = (): Observable<{ readonly header: { readonly revision: number }; readonly deleted?: number }> => {
    const key = random.pick(KEYS);
    if (random.chance(0.3)) return kv.put('beside', value());
    if (random.chance(0.25)) return kv.delete(key);
    if (random.chance(0.25)) return kv.txn({ success: [put(`${PREFIX}a`, value()), del({ prefix: `${PREFIX}${random.int(0, 7)}` })] });
    return kv.put(key, value());
  };
  const once = (): Observable<unknown> => {
    const ends = checkers.map((checker) => checker.beginWrite());
    return write().pipe(map(({ header, deleted }) => ends.forEach((end) => end(header.revision, deleted !== 0))));
  };
  return repeated(once, mayGo, pauseMs);
}

/** Reads keys and the whole range from a cache, one after the other. */
export function readAtRandom(
  cache: () => Cache | undefined,
  random: Random,
  checker: LinearizabilityChecker,
  consistency: 'linearizable' | 'local',
  mayGo: () => boolean,
  pauseMs = () => 2,
): Promise<unknown> {
  const once = (): Observable<unknown> => {
    const now = cache();
    if (now === undefined) return EMPTY;
    if (random.chance(0.3)) return now.range(undefined, { consistency }).pipe(map(checker.beginRange()));
    const key = random.pick(KEYS);
    const end = checker.beginRead(key);
    return now.get(key, { consistency }).pipe(map((kv) => end(kv === undefined ? [] : [kv])));
  };
  return repeated(once, mayGo, pauseMs);
}
