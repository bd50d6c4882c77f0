import { from, type Observable } from 'rxjs';
import type { Pool } from 'undici';
import { cpuWatch } from './cpu.js';

/** Makes one call of the floor: bare `dispatch`, with `JSON.stringify` before it and `JSON.parse` after it. */
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

/** The speed of calls, and their cost in this process. */
export interface CallCost {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

/**
 * Measures a number of calls, `inFlight` at a time. It uses no operators of RxJS: `mergeMap` takes 1 to 4 µs a call,
 * which is more than a read of a cache.
 */
export async function costOf(
  calls: number,
  inFlight: number,
  call: (index: number) => Observable<unknown> | Promise<unknown>,
): Promise<CallCost> {
  const spent = cpuWatch();
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    let begun = 0;
    let done = 0;
    const begin = (): void => {
      if (begun === calls) return;
      from(call(begun++)).subscribe({
        error: reject,
        complete: () => {
          done += 1;
          if (done === calls) resolve();
          else begin();
        },
      });
    };
    for (let caller = 0; caller < inFlight; caller++) begin();
  });
  const seconds = (performance.now() - start) / 1000;
  const micros = spent();
  return { perSecond: calls / seconds, cpuMicros: micros / calls };
}
