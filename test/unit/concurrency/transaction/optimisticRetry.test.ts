import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, defer, EMPTY, lastValueFrom, NEVER, of, toArray } from 'rxjs';
import { EtcdError } from '../../../../src/errors/index.js';
import { outcomeOf } from '../../../../src/util/rx.js';
import { retryOptimistically } from '../../../../src/concurrency/transaction/update.js';
import { runInVirtualTime, watching } from '../../watch/support.js';

const conflict = of(undefined);

describe('optimistic attempts', () => {
  test('are repeated until one succeeds, with growing pauses', () => {
    runInVirtualTime(({ flush }) => {
      const at: number[] = [];
      const seen = watching(
        retryOptimistically('it', {}, (tries) => defer(() => (at.push(asyncScheduler.now()), tries === 8 ? of(tries) : conflict))),
      );
      flush();
      expect(seen.values).toEqual([8]);
      expect(seen.completed).toBe(true);
      const pauses = at.slice(1).map((time, index) => time - (at[index] ?? 0));
      expect(pauses[0]).toBeLessThanOrEqual(5);
      expect(pauses[6]).toBeGreaterThanOrEqual(160);
    });
  });

  test('fail with Conflict after the maximum number', () => {
    runInVirtualTime(({ flush }) => {
      let tried = 0;
      const seen = watching(retryOptimistically('update', { maxAttempts: 3 }, () => defer(() => ((tried += 1), conflict))));
      flush();
      expect(tried).toBe(3);
      expect(seen.errors).toMatchObject([
        { reason: 'Conflict', message: 'update failed after 3 attempts: keys were modified concurrently' },
      ]);
    });
  });

  test('end with the first error, and when they are unsubscribed', () => {
    runInVirtualTime(({ flush }) => {
      const failing = watching(
        retryOptimistically('it', {}, () =>
          defer(() => {
            throw new EtcdError('Unknown', 'no');
          }),
        ),
      );
      const left = watching(retryOptimistically('it', {}, (tries) => (tries === 1 ? conflict : NEVER)));
      left.leave();
      flush();
      expect(failing.errors).toMatchObject([{ reason: 'Unknown' }]);
      expect([left.values, left.completed]).toEqual([[], false]);
    });
  });
});

describe('the result of a function', () => {
  const given = (give: () => unknown): Promise<unknown[]> => lastValueFrom(outcomeOf(give).pipe(toArray()));

  test('is its value, that of its Promise, or the last value of its Observable', async () => {
    expect(await given(() => 'text')).toEqual(['text']);
    expect(await given(() => undefined)).toEqual([undefined]);
    expect(await given(() => Uint8Array.of(1))).toEqual([Uint8Array.of(1)]);
    expect(await given(() => Promise.resolve(2))).toEqual([2]);
    expect(await given(() => of(1, 2, 3))).toEqual([3]);
    expect(await given(() => EMPTY)).toEqual([]);
  });
});
