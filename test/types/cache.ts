/** The types of caches. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import type { Cache, CachedRange, Client, Held, KeyValue, WatchEvent } from 'rxetcd';
import type { Observable } from 'rxjs';

export function aCacheIsReadLikeAStore({ cache }: Client): void {
  expectTypeOf(cache({ prefix: 'a/' }, { historyEvents: 10 })).toEqualTypeOf<Observable<Cache>>();
  cache('a').subscribe((held) => {
    expectTypeOf(held.get('a')).toEqualTypeOf<Observable<KeyValue | undefined>>();
    expectTypeOf(held.get(Uint8Array.of(1), { consistency: 'local' })).toEqualTypeOf<Observable<KeyValue | undefined>>();
    expectTypeOf(held.range()).toEqualTypeOf<Observable<CachedRange>>();
    expectTypeOf(held.range({ prefix: 'a/' }, { limit: 1, keysOnly: true })).toEqualTypeOf<Observable<CachedRange>>();
    expectTypeOf(held.watch('a', { startRevision: 1 })).toEqualTypeOf<Observable<WatchEvent>>();
    expectTypeOf(held.revision).toEqualTypeOf<number>();
    // @ts-expect-error a cache only shows what the store has
    held.revision = 1;
    // @ts-expect-error there is no such consistency
    void held.get('a', { consistency: 'strong' });
    // @ts-expect-error a past revision is read from the store
    void held.get('a', { revision: 1 });
  });
  // @ts-expect-error the number of events is a number
  void cache('a', { historyEvents: 'all' });
}

export async function aCacheIsHeldByPromises({ promises, namespace }: Client): Promise<void> {
  const held = await promises.cache({ prefix: 'a/' });
  expectTypeOf(held.value.get('a')).toEqualTypeOf<Promise<KeyValue | undefined>>();
  expectTypeOf(held.value.range()).toEqualTypeOf<Promise<CachedRange>>();
  expectTypeOf(held.value.watch('a')).toEqualTypeOf<AsyncIterable<WatchEvent>>();
  expectTypeOf(held.value.revision).toEqualTypeOf<number>();
  expectTypeOf(held).toExtend<Omit<Held<unknown>, 'value'>>();
  expectTypeOf(namespace('a/').cache('b')).toEqualTypeOf<Observable<Cache>>();
}
