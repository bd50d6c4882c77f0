import * as t from 'io-ts';
import { concatMap, map, of, type Observable } from 'rxjs';
import type { Client } from 'rxetcd';

/** What a service tells of its registration; `ttl` in seconds. */
export const Report = t.union(
  [t.strict({ type: t.literal('registered'), ttl: t.number }), t.strict({ type: t.literal('refreshed'), ttl: t.number })],
  'Report',
);
export type Report = t.TypeOf<typeof Report>;

/** An entry that lives as long as this is subscribed to, and `ttl` seconds more where its process dies: the lease that it hangs on refreshes itself. */
export function registration(etcd: Client, key: string, address: string, ttl: number): Observable<Report> {
  return etcd.lease({ ttl }).pipe(
    concatMap((lease): Observable<Report> => {
      if (lease.type !== 'granted') return of({ type: 'refreshed', ttl: lease.ttl });
      return etcd.kv.put(key, address, { lease: lease.id }).pipe(map(() => ({ type: 'registered', ttl: lease.ttl })));
    }),
  );
}
