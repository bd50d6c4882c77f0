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

/** For the version of each of two endpoints, and the answer. */
const ASKING = 3;
const VERSION = { etcdserver: '3.5.0' };
const BOTH = { endpoints: [A, B] };
/** As scripted at A; B answers. */
const at =
  (script: Script): Script =>
  (request) =>
    (request.origin === A ? script : reply(200))(request);
const originsOf = ({ posts }: { readonly posts: readonly { readonly origin: string }[] }): string[] => posts.map(({ origin }) => origin);

/** Sent, and answered bit by bit: something comes each so many milliseconds. */
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

describe('a read of which nothing is heard', () => {
  test('goes on at the next endpoint after attemptTimeoutMs, and is given up where it was silent', () => {
    const transport = scriptedTransport(at(silent));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 1_500 + ASKING }]);
    expect(originsOf(transport)).toEqual([A, B]);
    expect(transport.live).toBe(0);
  });

  test.each([
    ['is answered there, if that comes first', reply(200, { header }, 2_000), 2_000 + 1],
    ['goes on, whatever became of the first', lost(1_800), 1_500 + 700 + ASKING - 1],
  ])('%s', (_, script, due) => {
    const transport = scriptedTransport((request) => (request.origin === A ? script : reply(200, { header }, 700))(request));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: due }]);
    expect(originsOf(transport)).toEqual([A, B]);
    expect(transport.live).toBe(0);
  });

  test('that is known to be long has four times as long', () => {
    const transport = scriptedTransport(at(silent));
    const long = callerOf(transport, BOTH)
      .unary(kvRpcs.longRange, { key: 'a' })
      .pipe(map(() => 'ok'));
    expect(settle(long)).toMatchObject([{ outcome: 'ok', at: 4 * 1_500 + ASKING }]);
    expect(originsOf(transport)).toEqual([A, B]);
  });

  test('costs the calls after it nothing: the silent endpoint is set aside', () => {
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

  describe('leaves its endpoint together with the others that wait there', () => {
    /** Calls that go to A and B in turn, from when both versions are known: to A as scripted, from 100 ms on. */
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

    test('once nothing was heard from there for so long: those of a moment ago do not find out by themselves', () => {
      const { transport, failures, origins, ends } = inTime(silent, [1_500, get]);
      expect(ends).toMatchObject([{ at: 1_601 }, { at: 111 }, { outcome: 'ok', at: 1_601 }]);
      expect(origins).toEqual([A, B, A, B, B]);
      expect(failures).toEqual([1_500, 100].map((ms) => expect.stringContaining(`nothing was heard for ${ms} ms`)));
      expect(transport.live).toBe(0);
    });

    test('but not a write that was sent', () => {
      const { origins, ends } = inTime(silent, [1_500, put]);
      expect(ends).toMatchObject([{ at: 1_601 }, { at: 111 }, { outcome: 'AmbiguousWrite', at: 11_500 }]);
      expect(origins).toEqual([A, B, A, B]);
    });

    test('and not where that one answers others', () => {
      const { origins, ends } = inTime(inTurn(silent, trickle(5, 2), silent), [120, get], [130, get], [1_500, get]);
      expect(ends.at(-1)).toMatchObject({ outcome: 'ok', at: 1_500 + 1_500 + 1 });
      expect(origins).toEqual([A, B, A, B, A, B, B]);
    });
  });

  test('is sent in haste to the next, and four times as late to those that were asked already: what is slow comes to its end', () => {
    const sentAt: number[] = [];
    const noting: Script = (request) => (sentAt.push(asyncScheduler.now()), silent(request));
    settle(get(callerOf(scriptedTransport(noting), { endpoints: [A, B], attemptTimeoutMs: 800 })));
    expect(sentAt.map((at) => Math.round(at / 100))).toEqual([0, 8, 12, 28, 44]);
  });

  test('and that then is refused for now is tried as often as any other', () => {
    const refused = refuse('etcdserver: request timed out', 14, 503);
    const transport = scriptedTransport(inTurn(silent, silent, silent, refused, refused, refused, reply(200)));
    expect(settle(get(callerOf(transport, { endpoints: [A, B, 'http://c:1'], attemptTimeoutMs: 800 })))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts).toHaveLength(7);
  });

  test('is not sent again where it waits already, though that endpoint answers others', () => {
    const C = 'http://c:1';
    // A and B say that they are well, and never answer what is asked there; C is slow. By turns it would be asked for another call, and then A again.
    const scripts: Record<string, Script> = { [A]: silent, [B]: silent, [C]: reply(200, { header }, 900) };
    const transport = scriptedTransport((request) => (scripts[request.origin] ?? silent)(request));
    const caller = callerOf(transport, { endpoints: [A, B, C], attemptTimeoutMs: 800 });
    const other = after(1_100, () => get(caller));
    expect(settle(get(caller), other)).toMatchObject([{ outcome: 'ok', at: 800 + 400 + 900 + ASKING - 1 }, { outcome: 'ok' }]);
    expect(originsOf(transport).slice(0, 4)).toEqual([A, B, C, C]);
  });

  test('is asked anew at once by a member that has a new leader, though it waits for another', () => {
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

  test('and that was asked anew so has not failed where it waited: that member is not set aside', () => {
    const C = 'http://c:1';
    const changed = refuse('etcdserver: leader changed', 14, 503);
    const later: Script = (request) => timer(1_300).pipe(switchMap(() => changed(request)));
    const scripts: Record<string, Script> = { [A]: inTurn(later, reply(200)), [B]: inTurn(silent, reply(200)), [C]: silent };
    const transport = scriptedTransport((request) => (request.onSent?.(), scripts[request.origin] ?? silent)(request));
    const failures: string[] = [];
    const retry: RetryPolicy = ({ error }) => (failures.push(error.message), 'default');
    const caller = callerOf(transport, { endpoints: [A, B, C], attemptTimeoutMs: 800, retry });
    // Whoever asks has those checked that are aside, once their pause is over.
    const other = after(1_500, () => get(caller, { timeoutMs: 100 }));
    expect(settle(get(caller), other)).toMatchObject([{ outcome: 'ok', at: expect.closeTo(1_300, -1) }, { outcome: 'ok' }]);
    expect(failures).toEqual([expect.stringContaining(A), expect.stringContaining(B)]);
    expect(transport.checks.map(({ origin }) => origin)).toEqual([A, B]);
  });

  test('and that was asked anew so is sent no more often than any other from then on', () => {
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

  test('that all are slow to answer ends when the first does', () => {
    const transport = scriptedTransport(reply(200, { header }, 5_000));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 5_000 + 1 }]);
    expect(originsOf(transport)).toEqual([A, B, A]);
    expect(transport.live).toBe(0);
  });

  test('gets no more time at the next endpoint while there is yet another: two may be silent for reasons of their own', () => {
    const C = 'http://c:1';
    const transport = scriptedTransport((request) => (request.origin === C ? reply(200) : silent)(request));
    expect(settle(get(callerOf(transport, { endpoints: [A, B, C] })))).toMatchObject([{ outcome: 'ok', at: 1_500 + 750 + ASKING + 1 }]);
    expect(originsOf(transport)).toEqual([A, B, C]);
  });

  test('begins no try where nobody is', () => {
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

  test('is not one whose answer is long in coming, but comes', () => {
    const transport = scriptedTransport(trickle(1_400, 6));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 6 * 1_400 + 1 }]);
    expect(transport.posts).toHaveLength(1);
  });

  test('in the middle of its answer goes on elsewhere, too', () => {
    const stuck: Script = (request) => merge(trickle(1_000, 2)(request).pipe(ignoreElements()), NEVER);
    const transport = scriptedTransport(at(stuck));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 2_000 + 1_500 + ASKING }]);
  });

  test('after a try that failed is given a time of its own', () => {
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
    expect(settle(get(callerOf(transport, settings)))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 }]);
    expect(transport.posts).toHaveLength(1);
  });

  describe.each([
    ['with one endpoint', { attemptTimeoutMs: 800 }, {}],
    ['at an endpoint that was asked for', { ...BOTH, attemptTimeoutMs: 800 }, { endpoint: A }],
  ])('%s', (_, settings, options) => {
    test('is repeated there on a new connection, and then only after four times as long: it may be slow', () => {
      const sentAt: number[] = [];
      const transport = scriptedTransport((request) => (sentAt.push(asyncScheduler.now()), silent(request)));
      expect(settle(get(callerOf(transport, settings), options))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 }]);
      expect(sentAt.map((at) => Math.round((at - (sentAt[0] ?? 0)) / 100))).toEqual([0, 8, 40]);
      expect(transport.released).toEqual([A, A]);
      expect(transport.live).toBe(0);
    });

    test('is no failure: the first answer counts, and nothing is asked again', () => {
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

    test('is left alone if it is a write that was sent; one that was not goes on a new connection', () => {
      const sent = scriptedTransport(silent);
      expect(settle(put(callerOf(sent, settings), options))).toMatchObject([{ outcome: 'AmbiguousWrite', at: 10_000 }]);
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
    expect(settle(get(caller))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 10_000 }]);
    // Each round takes four times as long as the one before: they come to an end, pauses or not.
    expect(transport.posts.length).toBeGreaterThan(8);
    expect(transport.posts.length).toBeLessThanOrEqual(12);
    expect(transport.live).toBe(0);
  });

  test('may be a stream, which is silent for as long as it likes', () => {
    const transport = scriptedTransport(silent);
    transport.streams = ({ onSent }) => (onSent?.(), NEVER);
    const stream = callerOf(transport, BOTH).stream(electionRpcs.observe, { name: 'a' }, { timeoutMs: 8_000 });
    expect(settle(stream.pipe(map(() => 'ok')))).toMatchObject([{ outcome: 'DeadlineExceeded', at: 8_000 }]);
    expect(transport.posts).toHaveLength(1);
  });
});

test('a stream whose connection does not come is opened elsewhere, and there alone', () => {
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

describe('a write of which nothing is heard', () => {
  test('is never repeated once it was sent, but those after it go elsewhere', () => {
    const transport = scriptedTransport(at(silent));
    const caller = callerOf(transport, BOTH);
    const later = [after(1_520, () => put(caller)), after(1_530, () => put(caller))];
    expect(settle(put(caller), ...later)).toMatchObject([{ outcome: 'AmbiguousWrite', at: 10_000 }, { outcome: 'ok' }, { outcome: 'ok' }]);
    expect(originsOf(transport)).toEqual([A, B, B]);
  });

  test('goes elsewhere if it still waits for a connection: nothing was sent', () => {
    const transport = scriptedTransport(at(queued));
    expect(settle(put(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 1_500 + ASKING }]);
    expect(originsOf(transport)).toEqual([A, B]);
    expect(transport.live).toBe(0);
  });
});

test.each([
  ['read', get],
  ['write', put],
])('a %s that waits because the client is busy is not given up: its endpoint answers others', (_, call) => {
  const crowded: Script = (request) => timer(4_000).pipe(switchMap(() => reply(200)(request)));
  const transport = scriptedTransport(inTurn(crowded, trickle(1_000, 6)));
  const caller = callerOf(transport, BOTH);
  const pinned = after(5, () => get(caller, { endpoint: A }));
  expect(settle(call(caller), pinned)).toMatchObject([{ outcome: 'ok', at: 4_002 }, { outcome: 'ok' }]);
  expect(originsOf(transport)).toEqual([A, A]);
});

describe('what is asked before a call is sent', () => {
  test.each([
    ['though there is always somebody who waits for the answer', {}, Array.from({ length: 14 }, (_, second) => second * 1_000)],
    ['though it was asked behind a check', BOTH, [0, 0, 10, 1_000, 12_000, 12_000, 14_000, 14_000]],
  ])('if the version: is asked again when it was lost, %s', (_, settings, times) => {
    // Known at first; asked for again when the endpoint has failed, and lost; then as ever.
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
  ])('if the version: a %s goes on at the next endpoint when it does not come', (_, call) => {
    const transport = scriptedTransport(reply(200), (request) =>
      (request.origin === A ? silent : reply(200, { etcdserver: '3.5.0' }))(request),
    );
    expect(settle(call(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 1_502 }]);
    expect(originsOf(transport)).toEqual([B]);
    expect(transport.live).toBe(0);
  });

  test('if the version, where it is slow everywhere, gets more time at the next try', () => {
    const transport = scriptedTransport(reply(200), reply(200, { etcdserver: '3.5.0' }, 2_000));
    expect(settle(get(callerOf(transport, BOTH)))).toMatchObject([{ outcome: 'ok', at: 5_001 }]);
  });

  test.each([
    ['read', get],
    ['write', put],
  ])('if a token: the client authenticates at the next endpoint, and a %s waits for it', (_, call) => {
    const guard = new Guard();
    const transport = scriptedTransport((request) => (request.origin === A ? silent : guard.script)(request));
    const caller = callerOf(transport, { ...BOTH, auth: { username: 'a', password: 'b' } });
    const [end] = settle(call(caller, { endpoint: B }));
    expect(end?.outcome).toBe('ok');
    expect(end?.at).toBeLessThan(1_600);
  });
});
