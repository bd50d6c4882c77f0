import * as t from 'io-ts';
import { concatMap, map, of, type Observable } from 'rxjs';
import type { Client } from 'rxetcd';

/** The state of a service's registration; `ttl` in seconds. */
export const Report = t.union(
  [t.strict({ type: t.literal('registered'), ttl: t.number }), t.strict({ type: t.literal('refreshed'), ttl: t.number })],
  'Report',
);
export type Report = t.TypeOf<typeof Report>;

/**
 * Registers an entry, which exists as long as the Observable is subscribed to, and `ttl` seconds more if its process
 * dies. Its lease is kept alive automatically.
 */
export function registration(etcd: Client, key: string, address: string, ttl: number): Observable<Report> {
  return etcd.lease({ ttl }).pipe(
    concatMap((lease): Observable<Report> => {
      if (lease.type !== 'granted') return of({ type: 'refreshed', ttl: lease.ttl });
      return etcd.kv.put(key, address, { lease: lease.id }).pipe(map(() => ({ type: 'registered', ttl: lease.ttl })));
    }),
  );
}
