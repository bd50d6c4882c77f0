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

describe('a client without retries', () => {
  test.each<[string, Script, string, string]>([
    ['no connection', unreachable, 'Unreachable', 'Unreachable'],
    ['a lost response', lost(), 'ConnectionLost', 'AmbiguousWrite'],
    ['a server without a leader', refuse('etcdserver: no leader', 14, 503), 'NoLeader', 'AmbiguousWrite'],
    ['a path that is not there', reply(404, 'Not Found'), 'UnknownMethod', 'UnknownMethod'],
    ['a refusal', tooMany, 'TooManyRequests', 'TooManyRequests'],
  ])('passes on %s unchanged, after one attempt', (_, script, read, write) => {
    const transport = scriptedTransport(inTurn(script, script, reply(200)));
    const caller = callerOf(transport, { ...BOTH, retry: OFF });
    expect(settle(get(caller), put(caller))).toMatchObject([{ outcome: read }, { outcome: write }]);
    expect(transport.posts).toHaveLength(2);
  });

  test('skips an endpoint that failed, in the next call', () => {
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

  test('fails a call with its rejected token, and the next call has a new one', () => {
    const guard = new Guard();
    const transport = scriptedTransport(guard.script);
    const caller = callerOf(transport, { auth: { username: 'a', password: 'b' }, retry: OFF });
    settle(get(caller));
    guard.token = 'expired';
    expect(settle(put(caller))).toMatchObject([{ outcome: 'InvalidAuthToken' }]);
    expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
  });

  test('waits for an unresponsive endpoint until the deadline, as there is no other attempt', () => {
    const transport = scriptedTransport(silent);
    expect(settle(get(callerOf(transport, { ...BOTH, retry: OFF })))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 + 1 }]);
    expect(transport.posts).toHaveLength(1);
  });
});

describe('a retry function', () => {
  test('receives the call, its error, and the default decision', () => {
    const seen: RetryContext[] = [];
    const transport = scriptedTransport(inTurn(unreachable, lost()));
    const retry: RetryPolicy = (failure) => (seen.push(failure), 'default');
    expect(settle(put(callerOf(transport, { ...BOTH, retry })))).toMatchObject([{ outcome: 'AmbiguousWrite' }]);
    expect(seen).toMatchObject([
      { rpc: 'KV.Put', safety: 'write', sent: false, attempts: 1, action: 'retry', error: { reason: 'Unreachable', endpoint: A } },
      { rpc: 'KV.Put', safety: 'write', sent: true, attempts: 2, action: 'ambiguous', error: { reason: 'ConnectionLost', endpoint: B } },
    ]);
  });

  test('can have a rejected read retried, with growing pauses', () => {
    const transport = scriptedTransport(inTurn(tooMany, tooMany, tooMany, tooMany, tooMany, tooMany, reply(200)));
    const [end] = settle(get(callerOf(transport, { retry: always('retry') })));
    expect(end?.outcome).toBe('ok');
    expect(transport.posts).toHaveLength(7);
    // 100, 200 … 3 200 ms, each times 0.5 to 1.5
    expect(end?.at).toBeGreaterThan(3_150);
  });

  test('is called until the deadline', () => {
    const transport = scriptedTransport(tooMany);
    expect(settle(get(callerOf(transport, { retry: always('retry') })))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 + 1 }]);
    expect(transport.posts.length).toBeGreaterThan(5);
  });

  test('can end a call that would be retried', () => {
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
  ])('cannot have a sent write retried by mistake: "retry" for a response that is %s is limited by the table', (_, script, expected) => {
    const transport = scriptedTransport(script);
    const caller = callerOf(transport, { ...BOTH, retry: always('retry') });
    expect(settle(put(caller))).toMatchObject([{ outcome: expected }]);
    expect(transport.posts).toHaveLength(1);
  });

  test('can have an unsent write retried any number of times', () => {
    const transport = scriptedTransport(inTurn(unreachable, unreachable, unreachable, unreachable, unreachable, reply(200)));
    expect(settle(put(callerOf(transport, { ...BOTH, retry: always('retry') })))).toMatchObject([{ outcome: 'ok' }]);
  });

  test('can have a sent write retried with "resend"', () => {
    const transport = scriptedTransport(inTurn(lost(), reply(200)));
    expect(settle(put(callerOf(transport, { ...BOTH, retry: always('resend') })))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts).toHaveLength(2);
  });

  test.each<[string, Script]>([
    ['could not be sent', unreachable],
    ['waited for a connection to its deadline', queued],
    ['was refused', tooMany],
  ])('leaves the outcome of a sent write unknown if the retry %s', (_, second) => {
    const transport = scriptedTransport(inTurn(lost(), second));
    const caller = callerOf(transport, {
      ...BOTH,
      attemptTimeoutMs: Infinity,
      retry: ({ attempts }) => (attempts === 1 ? 'resend' : 'fail'),
    });
    expect(settle(put(caller))).toMatchObject([{ outcome: 'AmbiguousWrite' }]);
    expect(transport.posts).toHaveLength(2);
  });

  test('leaves the outcome of a sent write unknown if the client is closed before the retry', () => {
    const transport = scriptedTransport(lost(10));
    const caller = callerOf(transport, { retry: always('resend') });
    const close = timer(20).pipe(map(() => (void caller.close(), 'closed')));
    expect(settle(put(caller), close)).toMatchObject([
      { outcome: 'AmbiguousWrite', at: 20, error: { cause: { reason: 'ClientClosed' } } },
      { outcome: 'closed' },
    ]);
    expect(transport.posts).toHaveLength(1);
  });

  test('leaves the outcome of a sent write unknown if the retry gets no token', () => {
    const transport = scriptedTransport((request) => (request.path.endsWith('put') ? lost(10) : new Guard().refusal)(request));
    const tokens = [of('expired')];
    const caller = callerOf(transport, { auth: { token: () => tokens.pop() ?? EMPTY }, retry: always('resend') });
    // In the meantime another call detects that the token has expired.
    expect(
      settle(
        put(caller),
        after(2, () => get(caller)),
      ),
    ).toMatchObject([{ outcome: 'AmbiguousWrite', error: { cause: { reason: 'TokenUnavailable' } } }, { outcome: 'TokenUnavailable' }]);
    expect(transport.posts).toHaveLength(2);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['throws', () => { throw new Error('a bug'); }, /retry: the function threw/], // prettier-ignore
    ['says true', () => true, /one of default, fail, retry, resend/],
    ['says nothing', () => undefined, /one of/],
  ])('that %s ends the call, whose outcome is still unknown', (_, retry, message) => {
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
  ['an unresponsive read', silent, get],
  ['a write that waits for a connection', queued, put],
  ['a write without a connection', unreachable, put],
  ['a write that was sent', lost(), put],
])('unsubscribing within the retry function sends no further attempt: %s', (_, script, call) => {
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
