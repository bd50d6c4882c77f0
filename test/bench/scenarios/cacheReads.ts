import { firstValueFrom, Observable, ReplaySubject } from 'rxjs';
import { createClient, type Cache } from '../../../src/index.js';
import { costOf } from '../calls.js';
import { fill, keyOf, VALUE } from '../fill.js';
import type { Scenario, Stage } from '../scenario.js';

const PREFIX = 'bench/cache/';
const COUNT = 1_000;
const KEYS = Array.from({ length: COUNT }, (_, index) => keyOf(PREFIX, index));
const IN_FLIGHT = 64;

const keyAt = (index: number): string => KEYS[index % COUNT] ?? '';

/** Creates a client with a cache of keys that do not change. */
async function held({ server: { endpoint } }: Stage) {
  const etcd = createClient({ endpoints: endpoint });
  await fill(etcd, PREFIX, COUNT);
  const caches = new ReplaySubject<Cache>(1);
  etcd.cache({ prefix: PREFIX }).subscribe(caches);
  return { etcd, cache: await firstValueFrom(caches) };
}

/** Reads of a cache without a request, one after another. The floor is a read of a Map by a bare Observable. */
const localScenario: Scenario = {
  name: 'cache-get',
  rows: [{ name: 'cache-get', unit: 'gets/s', better: 'more', target: { ours: 2_000_000 } }],
  rounds: { full: 25, quick: 5, warmUp: 2 },
  prepare: async (stage) => {
    const { etcd, cache } = await held(stage);
    const count = stage.quick ? 100_000 : 400_000;
    const map = new Map(KEYS.map((key) => [key, { value: VALUE }]));
    const bare = (key: string): Observable<{ readonly value: string } | undefined> =>
      new Observable((subscriber) => {
        subscriber.next(map.get(key));
        subscriber.complete();
      });
    const measured = async (get: (key: string) => Observable<unknown>) => {
      let found = 0;
      const note = (value: unknown): void => void (found += value === undefined ? 0 : 1);
      const start = performance.now();
      for (let index = 0; index < count; index++) get(keyAt(index)).subscribe(note);
      const seconds = (performance.now() - start) / 1_000;
      if (found !== count) throw new Error(`${count - found} of ${count} local gets found nothing`);
      return { 'cache-get': count / seconds };
    };
    return {
      sides: { ours: () => measured((key) => cache.get(key, { consistency: 'local' })), floor: () => measured(bare) },
      end: () => etcd.close(),
    };
  },
};

/** Linearizable reads of a cache. The floor is the row `get-64`: `kv.get` of the same keys. */
const linearizableScenario: Scenario = {
  name: 'cache-get-64',
  rows: [{ name: 'cache-get-64', unit: 'gets/s', better: 'more', target: { toFloor: 5 } }],
  rounds: { full: 25, quick: 5, warmUp: 2 },
  prepare: async (stage) => {
    const { etcd, cache } = await held(stage);
    const count = stage.quick ? 2_000 : 8_000;
    const measured = async (gets: number, get: (key: string) => Observable<unknown>) => {
      const { perSecond } = await costOf(gets, IN_FLIGHT, (index) => get(keyAt(index)));
      return { 'cache-get-64': perSecond };
    };
    return {
      sides: { ours: () => measured(5 * count, (key) => cache.get(key)), floor: () => measured(count, (key) => etcd.kv.get(key)) },
      end: () => etcd.close(),
    };
  },
};

export const cacheReadScenarios: readonly Scenario[] = [localScenario, linearizableScenario];
