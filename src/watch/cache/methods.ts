import type { Observable } from 'rxjs';
import type { Range } from '../../model/range.js';
import { handOver, LazyModule } from '../../util/rx.js';
import type { Cache, CacheOptions } from './cache.js';
import type { heldCaches } from './heldCaches.js';

/** Loaded on demand, as not every program has a cache. */
export const cacheModule = new LazyModule(() => import('./heldCaches.js'));

/** Creates the method for caches. All but its name is loaded with the first subscription. */
export function caches(...deps: Parameters<typeof heldCaches>) {
  let made: ReturnType<typeof heldCaches> | undefined;
  return {
    cache: (range: Range, options: CacheOptions = {}): Observable<Cache> =>
      handOver(cacheModule.module$, (module) => (made ??= module.heldCaches(...deps))(range, options)),
  };
}
