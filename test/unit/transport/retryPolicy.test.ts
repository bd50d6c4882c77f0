import { describe, expect, test } from '@jest/globals';
import { EMPTY, map, of, Subject, takeUntil, timer } from 'rxjs';
import type { RetryDecision, RetryContext, RetryPolicy } from '../../../src/transport/retryPolicy.js';
import { settingsOf } from '../../../src/options/clientOptions.js';
import {
  A,
  after,
  B,
  callerOf,
  get,
  inTurn,
  lost,
  put,
  queued,
  refuse,
  reply,
  scriptedTransport,
  settle,
  silent,
  unreachable,
  type Script,
} from '../../support/fakes/fakeTransport.js';
import { Guard } from './guard.js';

const BOTH = { endpoints: [A, B] };
const OFF = settingsOf({ retry: false }).retry;
const always =
  (decision: RetryDecision): RetryPolicy =>
  () =>
    decision;
const tooMany = refuse('etcdserver: too many requests', 8, 429);

describe('without retries', () => {
  test.each<[string, Script, string, string]>([
    ['no connection', unreachable, 'Unreachable', 'Unreachable'],
    ['a lost answer', lost(), 'ConnectionLost', 'AmbiguousWrite'],
    ['a server without a leader', refuse('etcdserver: no leader', 14, 503), 'NoLeader', 'AmbiguousWrite'],
    ['a path that is not there', reply(404, 'Not Found'), 'UnknownMethod', 'UnknownMethod'],
    ['a refusal', tooMany, 'TooManyRequests', 'TooManyRequests'],
  ])('%s is given as it is, after one try', (_, script, read, write) => {
    const transport = scriptedTransport(inTurn(script, script, reply(200)));
    const caller = callerOf(transport, { ...BOTH, retry: OFF });
    expect(settle(get(caller), put(caller))).toMatchObject([{ outcome: read }, { outcome: write }]);
    expect(transport.posts).toHaveLength(2);
  });

  test('an endpoint that failed is passed over all the same, by the next call', () => {
    const transport = scriptedTransport((request) => (request.origin === A ? lost() : reply(200))(request));
    const caller = callerOf(transport, { ...BOTH, retry: OFF });
    expect(
      settle(
        get(caller),
        after(10, () => get(caller)),
        after(20, () => get(caller)),
      ),
    ).toMatchObject([{ outcome: 'ConnectionLost' }, { outcome: 'ok' }, { outcome: 'ok' }]);
  });

  test('a token that was refused is given out as an error, and the next call has a new one', () => {
    const guard = new Guard();
    const transport = scriptedTransport(guard.script);
    const caller = callerOf(transport, { auth: { username: 'a', password: 'b' }, retry: OFF });
    settle(get(caller));
    guard.token = 'expired';
    expect(settle(put(caller))).toMatchObject([{ outcome: 'InvalidAuthToken' }]);
    expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
  });

  test('a silent endpoint has all the time there is: there will be no other try', () => {
    const transport = scriptedTransport(silent);
    expect(settle(get(callerOf(transport, { ...BOTH, retry: OFF })))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 }]);
    expect(transport.posts).toHaveLength(1);
  });
});

describe('a function that decides', () => {
  test('is told what failed, how, and what the table says', () => {
    const seen: RetryContext[] = [];
    const transport = scriptedTransport(inTurn(unreachable, lost()));
    const retry: RetryPolicy = (failure) => (seen.push(failure), 'default');
    expect(settle(put(callerOf(transport, { ...BOTH, retry })))).toMatchObject([{ outcome: 'AmbiguousWrite' }]);
    expect(seen).toMatchObject([
      { rpc: 'KV.Put', safety: 'write', sent: false, attempts: 1, action: 'retry', error: { reason: 'Unreachable', endpoint: A } },
      { rpc: 'KV.Put', safety: 'write', sent: true, attempts: 2, action: 'ambiguous', error: { reason: 'ConnectionLost', endpoint: B } },
    ]);
  });

  test('can have a read that was refused tried again, with pauses that grow', () => {
    const transport = scriptedTransport(inTurn(tooMany, tooMany, tooMany, tooMany, tooMany, tooMany, reply(200)));
    const [end] = settle(get(callerOf(transport, { retry: always('retry') })));
    expect(end?.outcome).toBe('ok');
    expect(transport.posts).toHaveLength(7);
    // 100, 200 … 3 200 ms, each times 0.5 to 1.5
    expect(end?.at).toBeGreaterThan(3_150);
  });

  test('tries until the deadline', () => {
    const transport = scriptedTransport(tooMany);
    expect(settle(get(callerOf(transport, { retry: always('retry') })))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 }]);
    expect(transport.posts.length).toBeGreaterThan(5);
  });

  test('can end what would be tried again', () => {
    const transport = scriptedTransport(lost());
    const caller = callerOf(transport, { ...BOTH, retry: ({ attempts }) => (attempts < 2 ? 'default' : 'fail') });
    expect(settle(get(caller))).toMatchObject([{ outcome: 'ConnectionLost' }]);
    expect(transport.posts).toHaveLength(2);
  });

  test.each<[string, Script, string]>([
    ['lost', lost(), 'AmbiguousWrite'],
    ['without a leader', refuse('etcdserver: leader changed', 14, 503), 'AmbiguousWrite'],
    ['refused', tooMany, 'TooManyRequests'],
    ['without sense', reply(200, '<html>'), 'AmbiguousWrite'],
  ])(
    'cannot have a write that was sent repeated by a slip: "retry" for one whose answer is %s is no more than the table says',
    (_, script, expected) => {
      const transport = scriptedTransport(script);
      const caller = callerOf(transport, { ...BOTH, retry: always('retry') });
      expect(settle(put(caller))).toMatchObject([{ outcome: expected }]);
      expect(transport.posts).toHaveLength(1);
    },
  );

  test('can have a write that was not sent tried as often as it likes', () => {
    const transport = scriptedTransport(inTurn(unreachable, unreachable, unreachable, unreachable, unreachable, reply(200)));
    expect(settle(put(callerOf(transport, { ...BOTH, retry: always('retry') })))).toMatchObject([{ outcome: 'ok' }]);
  });

  test('can have a write that was sent repeated, if it says so in as many words', () => {
    const transport = scriptedTransport(inTurn(lost(), reply(200)));
    expect(settle(put(callerOf(transport, { ...BOTH, retry: always('resend') })))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts).toHaveLength(2);
  });

  test.each<[string, Script]>([
    ['could not be sent', unreachable],
    ['waited for a connection to its deadline', queued],
    ['was refused', tooMany],
  ])('and then a repeat that %s leaves the first in doubt', (_, second) => {
    const transport = scriptedTransport(inTurn(lost(), second));
    const caller = callerOf(transport, {
      ...BOTH,
      attemptTimeoutMs: Infinity,
      retry: ({ attempts }) => (attempts === 1 ? 'resend' : 'fail'),
    });
    expect(settle(put(caller))).toMatchObject([{ outcome: 'AmbiguousWrite' }]);
    expect(transport.posts).toHaveLength(2);
  });

  test('and then the first is in doubt as well where the client is closed before the repeat', () => {
    const transport = scriptedTransport(lost(10));
    const caller = callerOf(transport, { retry: always('resend') });
    const close = timer(20).pipe(map(() => (void caller.close(), 'closed')));
    expect(settle(put(caller), close)).toMatchObject([
      { outcome: 'AmbiguousWrite', at: 20, error: { cause: { reason: 'ClientClosed' } } },
      { outcome: 'closed' },
    ]);
    expect(transport.posts).toHaveLength(1);
  });

  test('and then the first is in doubt as well where there is no token for the repeat', () => {
    const transport = scriptedTransport((request) => (request.path.endsWith('put') ? lost(10) : new Guard().refusal)(request));
    const tokens = [of('expired')];
    const caller = callerOf(transport, { auth: { token: () => tokens.pop() ?? EMPTY }, retry: always('resend') });
    // Another call finds out meanwhile that it has expired.
    expect(
      settle(
        put(caller),
        after(2, () => get(caller)),
      ),
    ).toMatchObject([{ outcome: 'AmbiguousWrite', error: { cause: { reason: 'TokenUnavailable' } } }, { outcome: 'TokenUnavailable' }]);
    expect(transport.posts).toHaveLength(2);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['throws', () => { throw new Error('a bug'); }, /retry: its function threw/], // prettier-ignore
    ['says true', () => true, /one of default, fail, retry, resend/],
    ['says nothing', () => undefined, /one of/],
  ])('and %s ends the call, of which it is still said that nobody knows', (_, retry, message) => {
    const transport = scriptedTransport(lost());
    const caller = callerOf(transport, { ...BOTH, retry: retry as RetryPolicy });
    expect(settle(get(caller), put(caller))).toMatchObject([
      { outcome: 'InvalidOption', error: { option: 'retry', rpc: 'KV.Range', message: expect.stringMatching(message) } },
      { outcome: 'AmbiguousWrite', error: { rpc: 'KV.Put', cause: { reason: 'InvalidOption' } } },
    ]);
    expect(transport.posts).toHaveLength(2);
  });
});

test.each<[string, Script, typeof get]>([
  ['a silent read', silent, get],
  ['a write that waits for a connection', queued, put],
  ['a write without a connection', unreachable, put],
  ['a write that was sent', lost(), put],
])('who unsubscribes within the function has no other try sent: %s', (_, script, call) => {
  const gone = new Subject<void>();
  const transport = scriptedTransport(inTurn(reply(200), reply(200), script, reply(200)));
  const caller = callerOf(transport, { ...BOTH, retry: () => (gone.next(), 'resend') });
  settle(
    get(caller),
    get(caller),
    after(100, () => call(caller).pipe(takeUntil(gone))),
  );
  expect(gone.observed).toBe(false);
  expect(transport.posts).toHaveLength(3);
  expect(transport.live).toBe(0);
});
