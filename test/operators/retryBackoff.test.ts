import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asyncScheduler, defer, of, throwError } from 'rxjs';
import { retryBackoff } from '../../operators/index.js';
import { AmbiguousWriteError, CompactedError, EtcdError, hasReason } from '../../src/errors/index.js';
import { logger, kv, runInVirtualTime } from './support.js';

const noLeader = new EtcdError('NoLeader', 'no leader');

test('doubles the pause after each attempt, up to the maximum', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('#', {}, noLeader);
    expectObservable(source.pipe(retryBackoff({ initialMs: 10, maxMs: 50, jitter: 0 })), '^ 200ms !').toBe('-');
    expectSubscriptions(source.subscriptions).toBe(['(^!)', '10ms (^!)', '30ms (^!)', '70ms (^!)', '120ms (^!)', '170ms (^!)']);
  });
});

test('a value resets the pauses, a subscription does not', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const attempts = ['#', '#', '-a#', '#', '-b|'].map((marbles) => cold(marbles, undefined, noLeader));
    let attempt = 0;
    const source = defer(() => attempts[attempt++] ?? of('more'));
    expectObservable(source.pipe(retryBackoff({ initialMs: 2, jitter: 0 }))).toBe('-------a-------b|');
    expectSubscriptions(attempts[2]?.subscriptions ?? []).toBe('------^-!');
    expectSubscriptions(attempts[3]?.subscriptions ?? []).toBe('----------(^!)');
    expectSubscriptions(attempts[4]?.subscriptions ?? []).toBe('--------------^-!');
  });
});

test('resetOn selects the values that reset the pauses', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('a#', undefined, noLeader);
    const resetOn = (value: string): boolean => value === 'b';
    expectObservable(source.pipe(retryBackoff({ initialMs: 2, jitter: 0, resetOn, maxRetries: 2 }))).toBe(
      'a--a----a#',
      undefined,
      noLeader,
    );
    expectSubscriptions(source.subscriptions).toBe(['^!', '---^!', '--------^!']);
  });
});

test('errors with the last error after the last retry', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('#', undefined, noLeader);
    expectObservable(source.pipe(retryBackoff({ initialMs: 2, jitter: 0, maxRetries: 1 }))).toBe('--#', undefined, noLeader);
    expectSubscriptions(source.subscriptions).toBe(['(^!)', '--(^!)']);
    expectObservable(cold('#', undefined, noLeader).pipe(retryBackoff({ maxRetries: 0 }))).toBe('#', undefined, noLeader);
  });
});

test('unsubscribing during a pause ends it', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a#', undefined, noLeader);
    expectObservable(source.pipe(retryBackoff({ initialMs: 10, jitter: 0 })), '^---!').toBe('-a---');
    expectSubscriptions(source.subscriptions).toBe('^-!');
  });
});

test.each([
  ['code Unavailable', noLeader, true],
  ['a connection that broke', new EtcdError('ConnectionLost', ''), true],
  ['a server that is behind', new EtcdError('TooManyRequests', ''), true],
  ['a client with too many calls', new EtcdError('TooManyPending', ''), true],
  ['an unknown error text, with code Unavailable', new EtcdError('Unknown', '', { code: 'Unavailable' }), true],
  ['a write that may have been carried out', new AmbiguousWriteError(noLeader), false],
  ['compaction', new CompactedError(''), false],
  ['denial', new EtcdError('PermissionDenied', ''), false],
  ['a closed client', new EtcdError('ClientClosed', ''), false],
  ['a mistake in the program', new TypeError('x is not a function'), false],
])('retries transient errors by default: %s', (_, error, retried) => {
  runInVirtualTime(({ expectObservable }) => {
    let attempt = 0;
    const source = defer(() => (attempt++ === 0 ? throwError(() => error) : of('a')));
    const result = source.pipe(retryBackoff({ initialMs: 2, jitter: 0 }));
    if (retried) expectObservable(result).toBe('--(a|)');
    else expectObservable(result).toBe('#', undefined, error);
  });
});

test('retryIf decides instead; an error that it throws ends the stream', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const boom = new Error('boom');
    const retryIf = (error: unknown): boolean => error === 'again';
    expectObservable(cold('#', undefined, noLeader).pipe(retryBackoff({ retryIf }))).toBe('#', undefined, noLeader);
    expectObservable(cold('#', undefined, 'again').pipe(retryBackoff({ retryIf, initialMs: 2, jitter: 0 })), '^----!').toBe('-----');
    expectObservable(
      cold('#').pipe(
        retryBackoff({
          retryIf: () => {
            throw boom;
          },
        }),
      ),
    ).toBe('#', undefined, boom);
  });
});

test('jitter only shortens a pause, by no more than its fraction', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (jitter, chance) => {
      runInVirtualTime(({ flush }) => {
        const started: number[] = [];
        const source = defer(() => {
          started.push(asyncScheduler.now());
          return throwError(() => noLeader);
        });
        source
          .pipe(retryBackoff({ initialMs: 1000, maxMs: 3000, jitter, random: () => chance, maxRetries: 4 }))
          .subscribe({ error: () => undefined });
        flush();
        [1000, 2000, 3000, 3000].forEach((full, i) => {
          const wait = (started[i + 1] ?? NaN) - (started[i] ?? NaN);
          expect(wait).toBeLessThanOrEqual(full + 1);
          expect(wait).toBeGreaterThanOrEqual(full * (1 - jitter) - 1);
        });
      });
    }),
    { numRuns: 30 },
  );
});

test('a hundred thousand synchronous errors overflow neither the stack nor the pause', () => {
  runInVirtualTime(({ flush }) => {
    let attempts = 0;
    const source = defer(() => (++attempts < 100_000 ? throwError(() => noLeader) : of('a')));
    let seen: string | undefined;
    source.pipe(retryBackoff({ initialMs: 0 })).subscribe((value) => (seen = value));
    flush();
    expect(seen).toBe('a');
  });
});

test('keeps a separate count for each subscriber', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('#', undefined, noLeader);
    const result = source.pipe(retryBackoff({ initialMs: 2, jitter: 0, maxRetries: 1 }));
    expectObservable(result).toBe('--#', undefined, noLeader);
    expectObservable(result, '-----^').toBe('-------#', undefined, noLeader);
    expectSubscriptions(source.subscriptions).toBe(['(^!)', '--(^!)', '-----(^!)', '-------(^!)']);
  });
});

test.each([{ initialMs: -1 }, { maxMs: Infinity }, { jitter: 2 }, { jitter: NaN }, { maxRetries: -1 }])(
  'rejects an invalid option at once: %p',
  (config) => {
    let error: unknown;
    try {
      retryBackoff(config);
    } catch (thrown) {
      error = thrown;
    }
    expect(hasReason(error, 'InvalidArgument')).toBe(true);
  },
);

test('the example', () => {
  runInVirtualTime(({ flush }) => {
    let attempt = 0;
    const etcd = { kv: { get: () => defer(() => (attempt++ === 0 ? throwError(() => noLeader) : of(kv('app/color', 'red', 2)))) } };
    const console = logger();

    etcd.kv
      .get()
      .pipe(retryBackoff({ initialMs: 50, maxRetries: 5 }))
      .subscribe((kv) => console.log(kv.value));
    flush();

    expect(console.lines).toEqual(['red']);
  });
});
