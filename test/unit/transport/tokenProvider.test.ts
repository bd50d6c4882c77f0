import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, catchError, defer, EMPTY, map, NEVER, of, throwError, timer, type Observable } from 'rxjs';
import { NO_RETRIES, type RetryPolicy } from '../../../src/transport/retryPolicy.js';
import type { Auth } from '../../../src/transport/tokenProvider.js';
import {
  A,
  after,
  B,
  callerOf,
  get,
  header,
  lost,
  put,
  refuse,
  reply,
  scriptedTransport,
  settle,
  silent,
  unreachable,
  runInVirtualTime,
  type Script,
  type ScriptedTransport,
} from '../../support/fakes/fakeTransport.js';
import { AUTHENTICATE, Guard } from './guard.js';
import { expectSilentAbout } from './support.js';

const AUTH = { username: 'root', password: 'hunter2' };

const authentications = ({ posts }: ScriptedTransport): number => posts.filter(({ path }) => path === AUTHENTICATE).length;
const others = ({ posts }: ScriptedTransport): number => posts.filter(({ path }) => path !== AUTHENTICATE).length;

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

describe('user and password', () => {
  test('are sent once for a hundred concurrent calls, and not again', () => {
    const transport = scriptedTransport(new Guard().script);
    const caller = callerOf(transport, { auth: AUTH });
    const results = settle(
      ...times(100, () => put(caller)),
      timer(100).pipe(map(() => 'later')),
      defer(() => put(caller)),
    );
    expect(results.every((result) => ['ok', 'later'].includes(result.outcome))).toBe(true);
    expect([authentications(transport), others(transport)]).toEqual([1, 101]);
    expect(transport.posts.find(({ path }) => path === AUTHENTICATE)).toMatchObject({
      body: JSON.stringify({ name: 'root', password: 'hunter2' }),
    });
    expect(transport.posts.find(({ path }) => path === AUTHENTICATE)?.headers).not.toHaveProperty('authorization');
  });

  test.each([
    ['etcdserver: invalid auth token', 16],
    ['etcdserver: revision of auth store is old', 3],
    ['etcdserver: user name is empty', 3],
  ])('are sent again, once for all waiting calls, writes too, when the server responds %s', (text, code) => {
    const guard = new Guard();
    guard.refusal = refuse(text, code);
    const transport = scriptedTransport(guard.script);
    const caller = callerOf(transport, { auth: AUTH });
    expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
    guard.token = 'lost in a restart';
    const results = settle(...times(100, () => put(caller)));
    expect(new Set(results.map((result) => result.outcome))).toEqual(new Set(['ok']));
    expect(authentications(transport)).toBe(2);
  });

  test('are not sent again by a call whose rejected token has been replaced since', () => {
    const guard = new Guard();
    const transport = scriptedTransport(guard.script);
    const caller = callerOf(transport, { auth: AUTH });
    settle(put(caller));
    guard.token = 'lost in a restart';
    const quick = guard.refusal;
    const slow: Script = reply(401, { error: 'etcdserver: invalid auth token', code: 16 }, 50);
    let calls = 0;
    guard.refusal = (request) => (calls++ === 0 ? slow : quick)(request);
    expect(settle(put(caller), put(caller))).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
    expect(authentications(transport)).toBe(2);
  });

  test('that the server keeps rejecting are not sent forever', () => {
    const guard = new Guard();
    guard.authenticate = reply(200, { header, token: 'never right' });
    const transport = scriptedTransport(guard.script);
    expect(settle(put(callerOf(transport, { auth: AUTH })))).toMatchObject([{ outcome: 'InvalidAuthToken' }]);
    expect([authentications(transport), others(transport)]).toEqual([2, 2]);
  });

  test('that are wrong fail after one request, and are not in the error', () => {
    const guard = new Guard();
    guard.authenticate = refuse('etcdserver: authentication failed, invalid user ID or password', 3);
    const transport = scriptedTransport(guard.script);
    const [result] = settle(put(callerOf(transport, { auth: AUTH, endpoints: [A, B] })));
    expect(result).toMatchObject({
      outcome: 'AuthFailed',
      error: { rpc: 'Auth.Authenticate', message: expect.stringContaining('invalid user ID or password') },
    });
    expect([authentications(transport), others(transport)]).toEqual([1, 0]);
    expectSilentAbout(result?.error, 'hunter2');
  });

  test('are not needed while auth is off: calls have no token', () => {
    const guard = new Guard();
    guard.authenticate = refuse('etcdserver: authentication is not enabled', 9);
    const transport = scriptedTransport((request) => (request.path === AUTHENTICATE ? guard.script : reply(200))(request));
    const caller = callerOf(transport, { auth: AUTH });
    expect(settle(put(caller), put(caller))).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
    expect(authentications(transport)).toBe(1);
    expect(transport.posts.every(({ headers }) => !('authorization' in headers))).toBe(true);
  });

  test('are sent when auth is enabled later', () => {
    const guard = new Guard();
    const on = guard.authenticate;
    guard.authenticate = refuse('etcdserver: authentication is not enabled', 9);
    let off = true;
    const transport = scriptedTransport((request) => (off && request.path !== AUTHENTICATE ? reply(200) : guard.script)(request));
    const caller = callerOf(transport, { auth: AUTH });
    expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
    off = false;
    guard.authenticate = on;
    guard.refusal = refuse('etcdserver: user name is empty', 3);
    expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
  });

  test('without a response fail the call at its deadline: it was not sent', () => {
    const transport = scriptedTransport(silent);
    expect(settle(put(callerOf(transport, { auth: AUTH, requestTimeoutMs: 100 })))).toMatchObject([{ outcome: 'DeadlineExceeded' }]);
    expect(others(transport)).toBe(0);
    expect(transport.live).toBe(0);
  });

  describe('that no server can check for a while', () => {
    const backAfter = (ms: number, outage: Script = lost()): Script => {
      // Two token requests may run at the same time, if the first had no response for a while.
      const guard = new Guard(false);
      return (request) => defer(() => (asyncScheduler.now() < ms ? outage : guard.script)(request));
    };

    test.each([
      ['every connection breaks', lost()],
      ['there is no connection', unreachable],
      ['no data arrive', silent],
      ['the server stops', refuse('etcdserver: server stopped', 14, 503)],
    ])('are sent as long as any call waits, whatever the deadlines of others, if %s', (_, outage) => {
      const transport = scriptedTransport(backAfter(24_000, outage));
      const caller = callerOf(transport, { auth: AUTH, endpoints: [A, B] });
      const ends = settle(
        put(caller),
        put(caller, { timeoutMs: 1_500 }),
        get(caller, { timeoutMs: Infinity }),
        after(2_000, () => get(caller, { timeoutMs: 3_000 })),
        after(9_000, () => get(caller, { timeoutMs: 40_000 })),
      );
      const late = { outcome: 'DeadlineExceeded' };
      expect(ends).toMatchObject([
        { ...late, at: 10_000 },
        { ...late, at: 1_500 },
        { outcome: 'ok' },
        { ...late, at: 5_000 },
        { outcome: 'ok' },
      ]);
      expect(others(transport)).toBe(2);
      expect(transport.live).toBe(0);
    });

    test('fail each call at its own deadline with the last error as the cause, and are not sent afterwards', () => {
      const transport = scriptedTransport(lost());
      const caller = callerOf(transport, { auth: AUTH });
      const [end, , later] = settle(
        put(caller),
        after(11_000, () => of(String(authentications(transport)))),
        after(60_000, () => of(String(authentications(transport)))),
      );
      expect(end).toMatchObject({
        at: 10_000,
        outcome: 'DeadlineExceeded',
        error: { rpc: 'KV.Put', cause: { reason: 'ConnectionLost', rpc: 'Auth.Authenticate', endpoint: A } },
      });
      expect(later?.outcome).toBe(String(authentications(transport)));
      expect(others(transport)).toBe(0);
      expectSilentAbout(end?.error, 'hunter2');
    });

    test.each<[string, RetryPolicy]>([
      ['false', NO_RETRIES],
      ["a function that returns 'fail'", () => 'fail'],
    ])('are sent once if retry is %s', (_, retry) => {
      const transport = scriptedTransport(lost());
      expect(settle(put(callerOf(transport, { auth: AUTH, endpoints: [A, B], retry })))).toMatchObject([{ outcome: 'ConnectionLost' }]);
      expect([authentications(transport), others(transport)]).toEqual([1, 0]);
    });

    test('are sent again as long as the retry function agrees', () => {
      const caller = callerOf(scriptedTransport(backAfter(8_000)), { auth: AUTH, retry: () => 'default' });
      expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
    });

    test('are not sent any more when the client is closed', () => {
      const transport = scriptedTransport(lost());
      const caller = callerOf(transport, { auth: AUTH });
      const close = timer(1_234).pipe(map(() => (void caller.close(), 'closed')));
      const [end] = settle(put(caller), close);
      expect(end?.outcome).toBe('ClientClosed');
      expect(end?.at).toBeLessThan(1_240);
    });
  });

  test.each([
    ['with an unresponsive one', {}, 760],
    ['with an unresponsive one and retry: false', { retry: NO_RETRIES }, 10_000],
    ['with an unresponsive one and no attempt timeout', { attemptTimeoutMs: Infinity }, 10_000],
  ])('are sent to the next endpoint, too, before a first one %s is given up', (_, settings, atMost) => {
    const guard = new Guard();
    const transport = scriptedTransport((request) => (request.origin === A ? silent : guard.script)(request));
    const [end] = settle(get(callerOf(transport, { auth: AUTH, endpoints: [A, B], ...settings }), { endpoint: B }));
    expect(end?.at).toBeLessThanOrEqual(atMost);
    expect(end?.at).toBeGreaterThanOrEqual(atMost - 10);
    expect(authentications(transport)).toBe(atMost < 1_000 ? 2 : 1);
  });

  test('are waited for, and then the call avoids endpoints that other calls found to be down', () => {
    const guard = new Guard();
    guard.authenticate = reply(200, { header, token: guard.token }, 500);
    const transport = scriptedTransport((request) => (request.path === '/gone' ? lost() : guard.script)(request));
    transport.health = silent;
    const caller = callerOf(transport, { auth: AUTH, endpoints: [A, B] });
    const gone = caller.get('/gone', { endpoint: A }).pipe(
      map(() => ''),
      catchError(() => of('gone')),
    );
    const found = after(100, () => gone);
    expect(settle(get(caller), found)).toMatchObject([{ outcome: 'ok', at: 502 }, { outcome: 'gone' }]);
    expect(transport.posts.filter(({ path }) => path === '/v3/kv/range').map(({ origin }) => origin)).toEqual([B]);
  });

  test('serve the waiting calls when the first one has unsubscribed', () => {
    const transport = scriptedTransport(new Guard().script);
    const caller = callerOf(transport, { auth: AUTH });
    const results: string[] = [];
    runInVirtualTime(({ flush }) => {
      const first = put(caller).subscribe();
      put(caller).subscribe((value) => results.push(value));
      timer(3).subscribe(() => first.unsubscribe());
      flush();
    });
    expect(results).toEqual(['ok']);
    expect(authentications(transport)).toBe(1);
  });
});

describe('a token', () => {
  const withToken = (auth: Auth, guard = new Guard()): { results: ReturnType<typeof settle>; transport: ScriptedTransport } => {
    const transport = scriptedTransport(guard.script);
    const caller = callerOf(transport, { auth, requestTimeoutMs: 1_000 });
    return { transport, results: settle(put(caller), put(caller)) };
  };

  test('passed as text is sent unchanged', () => {
    expect(withToken({ token: 'simple.0' }).results).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
  });

  test('passed as text and rejected fails permanently, as there is no other', () => {
    const { results, transport } = withToken({ token: 'stale' });
    expect(results).toMatchObject([{ outcome: 'InvalidAuthToken' }, { outcome: 'InvalidAuthToken' }]);
    expect(others(transport)).toBe(2);
    expectSilentAbout(results[0]?.error, 'stale');
  });

  test.each<[string, () => string | Observable<string>]>([
    ['text', () => 'simple.0'],
    ['an Observable, whose first value counts', () => of('simple.0', 'simple.1')],
    ['a slow Observable', () => timer(20).pipe(map(() => 'simple.0'))],
  ])('of a function that returns %s is requested once for all calls', (_, give) => {
    let asked = 0;
    const { results } = withToken({ token: () => (asked++, give()) });
    expect(results).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
    expect(asked).toBe(1);
  });

  test('of a function that returns a promise is requested once for all calls', async () => {
    let asked = 0;
    const caller = callerOf(scriptedTransport(new Guard().script), { auth: { token: () => (asked++, Promise.resolve('simple.0')) } });
    const ends = times(3, () => new Promise((resolve, reject) => put(caller).subscribe({ next: resolve, error: reject })));
    expect(await Promise.all(ends)).toEqual(['ok', 'ok', 'ok']);
    expect(asked).toBe(1);
  });

  test('of a function is requested again when it is rejected', () => {
    const tokens = ['expired', 'simple.0'];
    const { results } = withToken({ token: () => tokens.shift() ?? 'none left' });
    expect(results).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
    expect(tokens).toEqual([]);
  });

  test.each<[string, () => never | string | Observable<string>]>([
    [
      'throws',
      () => {
        throw new Error('the vault is closed');
      },
    ],
    ['returns an Observable that errors', () => throwError(() => new Error('the vault is closed'))],
    ['returns an Observable without a value', () => EMPTY],
    ['returns an empty text', () => ''],
    ['returns no text', () => 7 as never],
    ['gives nothing', () => undefined as never],
    ['gives null', () => null as never],
    ['returns a line break', () => 'simple.0\n'],
    ['returns text of another header', () => 'hunter2\r\nx-evil: 1'],
    ['returns text that HTTP cannot carry', () => 'hunter2漢'],
  ])('function that %s fails calls with TokenUnavailable; nothing is sent, and it is not called repeatedly', (_, give) => {
    let asked = 0;
    const { results, transport } = withToken({ token: () => (asked++, give()) });
    expect(results).toMatchObject([{ outcome: 'TokenUnavailable' }, { outcome: 'TokenUnavailable' }]);
    expect(asked).toBeLessThanOrEqual(2);
    expect(transport.posts).toHaveLength(0);
    expectSilentAbout(results[0]?.error, 'hunter2', 'simple.0');
  });

  test('function that failed is called again by the next call', () => {
    const give = [() => throwError(() => new Error('not yet')), () => of('simple.0')];
    const caller = callerOf(scriptedTransport(new Guard().script), { auth: { token: () => give.shift()?.() ?? EMPTY } });
    expect(settle(put(caller))).toMatchObject([{ outcome: 'TokenUnavailable', error: { cause: { message: 'not yet' } } }]);
    expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
  });

  test('that never arrives fails the call at its deadline, and nothing was sent', () => {
    const { results, transport } = withToken({ token: () => NEVER });
    expect(results).toMatchObject([{ outcome: 'DeadlineExceeded' }, { outcome: 'DeadlineExceeded' }]);
    expect(transport.posts).toHaveLength(0);
  });

  test.each<[string, () => PromiseLike<string> | Observable<string>]>([
    ['a promise that never settles', () => new Promise<string>(() => undefined)],
    ['an Observable that never emits', () => NEVER],
  ])('of a function that returns %s is waited for until the client is closed at the latest', (_, token) => {
    let asked = 0;
    const transport = scriptedTransport(new Guard().script);
    const caller = callerOf(transport, { auth: { token: () => (asked++, token()) } });
    const close = timer(50).pipe(map(() => (void caller.close(), 'closed')));
    expect(
      settle(
        get(caller),
        put(caller),
        close,
        after(60, () => put(caller)),
      ),
    ).toMatchObject([
      { outcome: 'ClientClosed', at: 50 },
      { outcome: 'ClientClosed', at: 50 },
      { outcome: 'closed' },
      { outcome: 'ClientClosed', at: 60 },
    ]);
    expect(transport.posts).toHaveLength(0);
    expect(asked).toBe(1);
  });
});

test('without credentials an error of a server that requires some is final', () => {
  const guard = new Guard();
  guard.refusal = refuse('etcdserver: user name is empty', 3);
  const transport = scriptedTransport(guard.script);
  expect(settle(put(callerOf(transport)))).toMatchObject([{ outcome: 'UserEmpty' }]);
  expect(transport.posts).toHaveLength(1);
});
