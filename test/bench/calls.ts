import { lastValueFrom, mergeMap, range, type Observable } from 'rxjs';
import type { Pool } from 'undici';
import { cpuWatch } from './cpu.js';

/** One call of the floor: bare `dispatch`, `JSON.stringify` before and `JSON.parse` behind it. */
export function bareCall(pool: Pool, path: string, request: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    pool.dispatch(
      { method: 'POST', path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) },
      {
        onRequestStart: () => {},
        onResponseData: (_, chunk) => void chunks.push(chunk),
        onResponseEnd: () => resolve(JSON.parse(Buffer.concat(chunks).toString('utf8'))),
        onResponseError: (_, error) => reject(error),
      },
    );
  });
}

/** How fast calls were, and what they cost this process. */
export interface CallCost {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

/** So many calls, `inFlight` at a time. */
export async function costOf(
  calls: number,
  inFlight: number,
  call: (index: number) => Observable<unknown> | Promise<unknown>,
): Promise<CallCost> {
  const spent = cpuWatch();
  const start = performance.now();
  await lastValueFrom(range(0, calls).pipe(mergeMap(call, inFlight)));
  const seconds = (performance.now() - start) / 1000;
  const micros = spent();
  return { perSecond: calls / seconds, cpuMicros: micros / calls };
}
