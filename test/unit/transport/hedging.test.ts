import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, concat, ignoreElements, map, merge, NEVER, of, switchMap, take, tap, timer } from 'rxjs';
import { kvRpcs } from '../../../src/codec/kv.js';
import { electionRpcs } from '../../../src/codec/concurrency.js';
import {
  A,
  after,
  B,
  callerOf,
  get,
  header,
  inTurn,
  lost,
  put,
  queued,
  refuse,
  reply,
  scriptedTransport,
  settle,
  silent,
  type Script,
} from '../../support/fakes/fakeTransport.js';
import { NO_RETRIES, type RetryPolicy } from '../../../src/transport/retryPolicy.js';
import type { StreamPart } from '../../../src/transport/http/transport.js';
import { Guard } from './guard.js';

/** The time for the version requests to two endpoints, and the response. */
const ASKING = 3;
const VERSION = { etcdserver: '3.5.0' };
const BOTH = { endpoints: [A, B] };
/** A responds by the script; B responds normally. */
const at =
  (script: Script): Script =>
  (request) =>
    (request.origin === A ? script : reply(200))(request);
const originsOf = ({ posts }: { readonly posts: readonly { readonly origin: string }[] }): string[] => posts.map(({ origin }) => origin);

/** The request is sent, and the response arrives in parts, one after each of these pauses. */
const trickle =
  (everyMs: number, bits: number): Script =>
  ({ onSent, onReceived }) => {
    onSent?.();
    const comes = Array.from({ length: bits }, () =>
      timer(everyMs).pipe(
        tap(() => onReceived?.()),
        ignoreElements(),
      ),
    );
    return concat(...comes, of({ status: 200, body: JSON.stringify({ header }) }));
  };

describe('a read without a response', () => {
  test('is sent to the next endpoint after attemptTimeoutMs, and aborted on the unresponsive one', () => {
    const transport = scriptedTransport(at(silent));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 1_500 + ASKING }]);
    expect(originsOf(transport)).toEqual([A, B]);
    expect(transport.live).toBe(0);
  });

  test.each([
    ['completes there, if that response is first', reply(200, { header }, 2_000), 2_000 + 1],
    ['continues, however the first ended', lost(1_800), 1_500 + 700 + ASKING - 1],
  ])('%s', (_, script, due) => {
    const transport = scriptedTransport((request) => (request.origin === A ? script : reply(200, { header }, 700))(request));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: due }]);
    expect(originsOf(transport)).toEqual([A, B]);
    expect(transport.live).toBe(0);
  });

  test('that is known to be long has four times the timeout', () => {
    const transport = scriptedTransport(at(silent));
    const long = callerOf(transport, BOTH)
      .unary(kvRpcs.longRange, { key: 'a' })
      .pipe(map(() => 'ok'));
    expect(settle(long)).toMatchObject([{ outcome: 'ok', at: 4 * 1_500 + ASKING }]);
    expect(originsOf(transport)).toEqual([A, B]);
  });

  test('does not delay later calls, as the unresponsive endpoint is set aside', () => {
    const transport = scriptedTransport(at(silent));
    const caller = callerOf(transport, BOTH);
    const ends = settle(
      get(caller),
      after(1_510, () => get(caller)),
      after(1_520, () => put(caller)),
    );
    expect(ends).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok', at: 1_511 }, { outcome: 'ok', at: 1_521 }]);
    expect(originsOf(transport)).toEqual([A, B, B, B]);
  });

  describe('moves from its endpoint together with others that wait there', () => {
    /** Calls that go to A and B in turn, once both versions are known: to A by the script, from 100 ms on. */
    const inTime = (script: Script, ...calls: readonly (readonly [ms: number, call: typeof get])[]) => {
      const transport = scriptedTransport(at(inTurn(reply(200), script)));
      const failures: string[] = [];
      const retry: RetryPolicy = ({ error }) => (failures.push(error.message), 'default');
      const caller = callerOf(transport, { ...BOTH, retry });
      const ends = settle(
        ...[0, 0, 100, 110].map((ms) => after(ms, () => get(caller))),
        ...calls.map(([ms, call]) => after(ms, () => call(caller))),
      );
      return { transport, failures, origins: originsOf(transport).slice(2), ends: ends.slice(2) };
    };

    test('once nothing arrived from there for attemptTimeoutMs, without a timeout of each', () => {
      const { transport, failures, origins, ends } = inTime(silent, [1_500, get]);
      expect(ends).toMatchObject([{ at: 1_601 }, { at: 111 }, { outcome: 'ok', at: 1_601 }]);
      expect(origins).toEqual([A, B, A, B, B]);
      expect(failures).toEqual([1_500, 100].map((ms) => expect.stringContaining(`no data received for ${ms} ms`)));
      expect(transport.live).toBe(0);
    });

    test('but not with a write that was sent', () => {
      const { origins, ends } = inTime(silent, [1_500, put]);
      expect(ends).toMatchObject([{ at: 1_601 }, { at: 111 }, { outcome: 'AmbiguousWrite', at: 11_500 }]);
      expect(origins).toEqual([A, B, A, B]);
    });

    test('but not if that endpoint responds to others', () => {
      const { origins, ends } = inTime(inTurn(silent, trickle(5, 2), silent), [120, get], [130, get], [1_500, get]);
      expect(ends.at(-1)).toMatchObject({ outcome: 'ok', at: 1_500 + 1_500 + 1 });
      expect(origins).toEqual([A, B, A, B, A, B, B]);
    });
  });

  test('is hedged soon on a new endpoint, and four times as late on those already tried, so that a slow one can finish', () => {
    const sentAt: number[] = [];
    const noting: Script = (request) => (sentAt.push(asyncScheduler.now()), silent(request));
    settle(get(callerOf(scriptedTransport(noting), { endpoints: [A, B], attemptTimeoutMs: 800 })));
    expect(sentAt.map((at) => Math.round(at / 100))).toEqual([0, 8, 12, 28, 44]);
  });

  test('that is hedged and then rejected temporarily is retried as often as any other', () => {
    const refused = refuse('etcdserver: request timed out', 14, 503);
    const transport = scriptedTransport(inTurn(silent, silent, silent, refused, refused, refused, reply(200)));
    expect(settle(get(callerOf(transport, { endpoints: [A, B, 'http://c:1'], attemptTimeoutMs: 800 })))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts).toHaveLength(7);
  });

  test('is not sent again to an endpoint where it waits, although that responds to others', () => {
    const C = 'http://c:1';
    // A and B pass health checks, and respond to nothing else; C is slow. In turn, C would get another call, and then A
    // again.
    const scripts: Record<string, Script> = { [A]: silent, [B]: silent, [C]: reply(200, { header }, 900) };
    const transport = scriptedTransport((request) => (scripts[request.origin] ?? silent)(request));
    const caller = callerOf(transport, { endpoints: [A, B, C], attemptTimeoutMs: 800 });
    const other = after(1_100, () => get(caller));
    expect(settle(get(caller), other)).toMatchObject([{ outcome: 'ok', at: 800 + 400 + 900 + ASKING - 1 }, { outcome: 'ok' }]);
    expect(originsOf(transport).slice(0, 4)).toEqual([A, B, C, C]);
  });

  test('is sent again at once to a member that has a new leader, although it waits for another', () => {
    const C = 'http://c:1';
    const changed = refuse('etcdserver: leader changed', 14, 503);
    const later: Script = (request) => timer(1_300).pipe(switchMap(() => changed(request)));
    const scripts: Record<string, Script> = { [A]: inTurn(later, reply(200)), [B]: silent, [C]: silent };
    const transport = scriptedTransport((request) => (request.onSent?.(), scripts[request.origin] ?? silent)(request));
    const caller = callerOf(transport, { endpoints: [A, B, C], attemptTimeoutMs: 800 });
    expect(settle(get(caller))).toMatchObject([{ outcome: 'ok', at: expect.closeTo(1_300, -1) }]);
    expect(originsOf(transport)).toEqual([A, B, C, A]);
    expect(transport.live).toBe(0);
  });

  test('that is sent again to a member has not failed there: the member is not set aside', () => {
    const C = 'http://c:1';
    const changed = refuse('etcdserver: leader changed', 14, 503);
    const later: Script = (request) => timer(1_300).pipe(switchMap(() => changed(request)));
    const scripts: Record<string, Script> = { [A]: inTurn(later, reply(200)), [B]: inTurn(silent, reply(200)), [C]: silent };
    const transport = scriptedTransport((request) => (request.onSent?.(), scripts[request.origin] ?? silent)(request));
    const failures: string[] = [];
    const retry: RetryPolicy = ({ error }) => (failures.push(error.message), 'default');
    const caller = callerOf(transport, { endpoints: [A, B, C], attemptTimeoutMs: 800, retry });
    // Each call probes the endpoints that are set aside, once their pause is over.
    const other = after(1_500, () => get(caller, { timeoutMs: 100 }));
    expect(settle(get(caller), other)).toMatchObject([{ outcome: 'ok', at: expect.closeTo(1_300, -1) }, { outcome: 'ok' }]);
    expect(failures).toEqual([expect.stringContaining(A), expect.stringContaining(B)]);
    expect(transport.checks.map(({ origin }) => origin)).toEqual([A, B]);
  });

  test('that is sent again to a member has no further attempts than any other', () => {
    const C = 'http://c:1';
    const changed = refuse('etcdserver: leader changed', 14, 503);
    const later: Script = (request) => timer(1_300).pipe(switchMap(() => changed(request)));
    const sentAt: number[] = [];
    const scripts: Record<string, Script> = { [A]: inTurn(later, silent) };
    const transport = scriptedTransport((request) => {
      request.onSent?.();
      sentAt.push(asyncScheduler.now());
      return (scripts[request.origin] ?? silent)(request);
    });
    settle(get(callerOf(transport, { endpoints: [A, B, C], attemptTimeoutMs: 800 })));
    expect(sentAt.map((at) => Math.round(at / 100))).toEqual([0, 8, 12, 13, 29, 45, 61]);
  });

  test('that all endpoints delay ends with the first response', () => {
    const transport = scriptedTransport(reply(200, { header }, 5_000));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 5_000 + 1 }]);
    expect(originsOf(transport)).toEqual([A, B, A]);
    expect(transport.live).toBe(0);
  });

  test('has no longer timeout at the second endpoint while there is a third one', () => {
    const C = 'http://c:1';
    const transport = scriptedTransport((request) => (request.origin === C ? reply(200) : silent)(request));
    expect(settle(get(callerOf(transport, { endpoints: [A, B, C] })))).toMatchObject([{ outcome: 'ok', at: 1_500 + 750 + ASKING + 1 }]);
    expect(originsOf(transport)).toEqual([A, B, C]);
  });

  test('sends no attempt after all subscribers have unsubscribed', () => {
    const C = 'http://c:1';
    const scripts: Record<string, Script> = { [A]: silent, [B]: inTurn(silent, reply(200)), [C]: inTurn(silent, reply(200)) };
    const versionOfA = inTurn(reply(200, { etcdserver: '3.5.0' }), silent);
    const transport = scriptedTransport(
      (request) => (scripts[request.origin] ?? silent)(request),
      (request) => (request.origin === A ? versionOfA : reply(200, { etcdserver: '3.5.0' }))(request),
    );
    const caller = callerOf(transport, { endpoints: [A, B, C], attemptTimeoutMs: 800 });
    expect(settle(get(caller))).toMatchObject([{ outcome: 'ok', at: expect.closeTo(800 + 2 * 400 + 800, -2) }]);
    expect(originsOf(transport)).toEqual([A, B, C, B]);
  });

  test('does not include one whose response is long but arrives', () => {
    const transport = scriptedTransport(trickle(1_400, 6));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 6 * 1_400 + 1 }]);
    expect(transport.posts).toHaveLength(1);
  });

  test('in the middle of its response is also hedged', () => {
    const stuck: Script = (request) => merge(trickle(1_000, 2)(request).pipe(ignoreElements()), NEVER);
    const transport = scriptedTransport(at(stuck));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 2_000 + 1_500 + ASKING }]);
  });

  test('after a failed attempt has a full timeout again', () => {
    const transport = scriptedTransport(inTurn(lost(1_000), silent, reply(200)));
    expect(settle(get(callerOf(transport, { endpoints: [A, B, 'http://c:1'] })))).toMatchObject([
      { outcome: 'ok', at: 1_000 + 1_500 + ASKING + 1 },
    ]);
    expect(originsOf(transport)).toEqual([A, B, 'http://c:1']);
  });

  test.each([
    ['without a limit', { ...BOTH, attemptTimeoutMs: Infinity }],
    ['without retries', { ...BOTH, retry: NO_RETRIES }],
  ])('waits for its deadline %s', (_, settings) => {
    const transport = scriptedTransport(silent);
    expect(settle(get(callerOf(transport, settings)))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 + 1 }]);
    expect(transport.posts).toHaveLength(1);
  });

  describe.each([
    ['with one endpoint', { attemptTimeoutMs: 800 }, {}],
    ['at a chosen endpoint', { ...BOTH, attemptTimeoutMs: 800 }, { endpoint: A }],
  ])('%s', (_, settings, options) => {
    test('is retried there on a new connection, and then only after four times as long, as it may be slow', () => {
      const sentAt: number[] = [];
      const transport = scriptedTransport((request) => (sentAt.push(asyncScheduler.now()), silent(request)));
      expect(settle(get(callerOf(transport, settings), options))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 + 1 }]);
      expect(sentAt.map((at) => Math.round((at - (sentAt[0] ?? 0)) / 100))).toEqual([0, 8, 40]);
      expect(transport.released).toEqual([A, A]);
      expect(transport.live).toBe(0);
    });

    test('is no failure: the first response counts, and nothing is sent again', () => {
      const transport = scriptedTransport(inTurn(reply(200, { header }, 1_000), silent));
      const caller = callerOf(transport, settings);
      const ends = settle(
        get(caller, options),
        after(900, () => get(caller, options)),
      );
      expect(ends[0]).toMatchObject({ outcome: 'ok', at: 1_000 + 1 });
      expect(transport.versionRequests).toHaveLength(1);
      expect(transport.checks).toHaveLength(0);
    });

    test('is not hedged if it is a write that was sent; an unsent write uses a new connection', () => {
      const sent = scriptedTransport(silent);
      expect(settle(put(callerOf(sent, settings), options))).toMatchObject([{ outcome: 'AmbiguousWrite', at: 10_000 + 1 }]);
      expect(sent.posts).toHaveLength(1);
      expect(sent.released).toEqual([A]);
      const waiting = scriptedTransport(inTurn(queued, reply(200)));
      expect(settle(put(callerOf(waiting, settings), options))).toMatchObject([{ outcome: 'ok', at: 802 }]);
      expect(waiting.live).toBe(0);
    });
  });

  test('on every endpoint ends at its deadline', () => {
    const transport = scriptedTransport(silent);
    const caller = callerOf(transport, { ...BOTH, attemptTimeoutMs: 10 });
    expect(settle(get(caller))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 + 1 }]);
    // Each round takes four times as long as the one before, so the rounds end even without pauses.
    expect(transport.posts.length).toBeGreaterThan(8);
    expect(transport.posts.length).toBeLessThanOrEqual(12);
    expect(transport.live).toBe(0);
  });

  test('may be a stream, which has no timeout', () => {
    const transport = scriptedTransport(silent);
    transport.streams = ({ onSent }) => (onSent?.(), NEVER);
    const stream = callerOf(transport, BOTH).stream(electionRpcs.observe, { name: 'a' }, { timeoutMs: 8_000 });
    expect(settle(stream.pipe(map(() => 'ok')))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 8_000 + 1 }]);
    expect(transport.posts).toHaveLength(1);
  });
});

test('a stream whose connection does not open is opened on another endpoint, and only there', () => {
  const transport = scriptedTransport(silent);
  const leader = (name: string): StreamPart => ({
    type: 'chunk',
    bytes: Buffer.from(`${JSON.stringify({ result: { header, kv: { key: Buffer.from(name).toString('base64') } } })}\n`),
  });
  transport.streams = ({ origin, onSent }) =>
    timer(origin === A ? 2_000 : 0).pipe(
      tap(() => onSent?.()),
      switchMap(() => timer(0, 300)),
      map(() => leader(origin)),
      take(4),
    );
  const keys: string[] = [];
  const stream = callerOf(transport, BOTH).stream(electionRpcs.observe, { name: 'a' });
  settle(stream.pipe(map(({ kv }) => (keys.push(kv?.key ?? 'none'), 'ok'))));
  expect(keys).toEqual([B, B, B, B]);
  expect(transport.live).toBe(0);
});

describe('a write without a response', () => {
  test('is never retried once it was sent, but later writes use another endpoint', () => {
    const transport = scriptedTransport(at(silent));
    const caller = callerOf(transport, BOTH);
    const later = [after(1_520, () => put(caller)), after(1_530, () => put(caller))];
    expect(settle(put(caller), ...later)).toMatchObject([
      { outcome: 'AmbiguousWrite', at: 10_000 + 1 },
      { outcome: 'ok' },
      { outcome: 'ok' },
    ]);
    expect(originsOf(transport)).toEqual([A, B, B]);
  });

  test('uses another endpoint if it still waits for a connection, as nothing was sent', () => {
    const transport = scriptedTransport(at(queued));
    expect(settle(put(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 1_500 + ASKING }]);
    expect(originsOf(transport)).toEqual([A, B]);
    expect(transport.live).toBe(0);
  });
});

test.each([
  ['read', get],
  ['write', put],
])('a %s that waits because the client is busy is not given up, as its endpoint responds to others', (_, call) => {
  const crowded: Script = (request) => timer(4_000).pipe(switchMap(() => reply(200)(request)));
  const transport = scriptedTransport(inTurn(crowded, trickle(1_000, 6)));
  const caller = callerOf(transport, BOTH);
  const pinned = after(5, () => get(caller, { endpoint: A }));
  expect(settle(call(caller), pinned)).toMatchObject([{ outcome: 'ok', at: 4_002 }, { outcome: 'ok' }]);
  expect(originsOf(transport)).toEqual([A, A]);
});

test('a read that is sent late, while its next attempt is prepared, has waited only once for a connection', () => {
  // The endpoint responds to another call after 1 s, and responds to the waiting call after 3.5 s. Nothing else gets a
  // response.
  const late: Script = (request) => timer(3_500).pipe(switchMap(() => silent(request)));
  const transport = scriptedTransport(inTurn(late, trickle(1, 1), silent), (request) =>
    (request.origin === A ? reply(200, VERSION) : silent)(request),
  );
  const caller = callerOf(transport, BOTH);
  const [end] = settle(
    get(caller),
    after(1_000, () => get(caller, { endpoint: A })),
  );
  expect(end).toMatchObject({ outcome: 'DeadlineExceeded', at: 13_500 + 1 });
});

describe('a request before a call', () => {
  test.each([
    ['although there is always a waiting subscriber', {}, Array.from({ length: 14 }, (_, second) => second * 1_000)],
    ['although it was sent after a probe', BOTH, [0, 0, 10, 1_000, 12_000, 12_000, 14_000, 14_000]],
  ])('for the version is retried when its response is lost, %s', (_, settings, times) => {
    // The version is known at first; it is requested again after the endpoint has failed, without a response; then as
    // before.
    const versionOfA = inTurn(reply(200, VERSION), silent, reply(200, VERSION));
    const transport = scriptedTransport(at(inTurn(reply(200), lost(), reply(200))), (request) =>
      (request.origin === A ? versionOfA : reply(200, VERSION))(request),
    );
    const caller = callerOf(transport, settings);
    settle(...times.map((ms) => after(ms, () => get(caller))));
    expect(transport.posts.filter(({ origin }) => origin === A).length).toBeGreaterThan(2);
    expect(transport.live).toBe(0);
  });

  test.each([
    ['read', get],
    ['write', put],
  ])('for the version is sent to the next endpoint if it has no response, before a %s', (_, call) => {
    const transport = scriptedTransport(reply(200), (request) =>
      (request.origin === A ? silent : reply(200, { etcdserver: '3.5.0' }))(request),
    );
    expect(settle(call(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 1_502 }]);
    expect(originsOf(transport)).toEqual([B]);
    expect(transport.live).toBe(0);
  });

  test('for the version has a longer timeout in the next attempt if every endpoint is slow', () => {
    const transport = scriptedTransport(reply(200), reply(200, { etcdserver: '3.5.0' }, 2_000));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 5_001 }]);
  });

  test.each([
    ['read', get],
    ['write', put],
  ])('for a token is sent to the next endpoint while a %s waits for it', (_, call) => {
    const guard = new Guard();
    const transport = scriptedTransport((request) => (request.origin === A ? silent : guard.script)(request));
    const caller = callerOf(transport, { ...BOTH, auth: { username: 'a', password: 'b' } });
    const [end] = settle(call(caller, { endpoint: B }));
    expect(end?.outcome).toBe('ok');
    expect(end?.at).toBeLessThan(1_600);
  });
});
