import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, map, mergeMap, NEVER, of, switchMap, take, tap, timer, toArray, type Observable } from 'rxjs';
import { kvRpcs } from '../../../../src/codec/kv.js';
import { settingsOf } from '../../../../src/options/clientOptions.js';
import type { ClosableCaller } from '../../../../src/transport/caller.js';
import { Endpoint } from '../../../../src/transport/endpoints/endpoint.js';
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
  type Script,
  type ScriptedTransport,
  unreachable,
  runInVirtualTime,
} from '../../../support/fakes/fakeTransport.js';

const SECONDS = 1_000;

/** An endpoint A that fails while `down` is set, beside one that works, and the response of A to health checks. */
function setUp(health: Script, whileDown: Script = lost()) {
  const state = { down: true };
  const transport = scriptedTransport((request) => (request.origin === A && state.down ? whileDown : reply(200))(request));
  transport.health = (request) => (state.down ? health : reply(200))(request);
  return { transport, caller: callerOf(transport, { endpoints: [A, B] }), state };
}

/** Makes a call every 100 ms, for this long; returns the outcomes of all calls. */
const calls = (call: () => Observable<string>, forMs: number): Observable<string> =>
  timer(0, 100).pipe(
    take(forMs / 100),
    mergeMap(call),
    toArray(),
    map((ends) => [...new Set(ends)].join()),
  );

const asked = ({ posts }: ScriptedTransport, origin: string): number => posts.filter((request) => request.origin === origin).length;

describe('an endpoint that is set aside', () => {
  test.each<[string, Script]>([
    ['no connection', unreachable],
    ['no answer', silent],
    ['an unhealthy one', reply(503, { health: 'false' })],
  ])('costs one call its first attempt, whatever the result of its check: %s', (_, health) => {
    const { transport, caller } = setUp(health);
    const ends = settle(calls(() => get(caller), 60 * SECONDS));
    expect(ends).toMatchObject([{ outcome: 'ok' }]);
    expect(asked(transport, A)).toBe(1);
  });

  test('is checked after pauses that double up to 10 s, each shortened by up to a half', () => {
    const times: number[] = [];
    const { transport, caller } = setUp(unreachable);
    const { health } = transport;
    let now = 0;
    transport.health = (request) => (times.push(now), health(request));
    settle(calls(() => ((now += 100), get(caller)), 120 * SECONDS));
    const pauses = times.map((time, index) => time - (times[index - 1] ?? 0));
    pauses.forEach((pause, index) => {
      const full = Math.min(10 * SECONDS, 100 * 2 ** index);
      expect(pause).toBeGreaterThanOrEqual(full / 2 - 100);
      expect(pause).toBeLessThan(full + 300);
    });
    expect(pauses.length).toBeGreaterThan(15);
  });

  test('is used in its turn again after a successful check', () => {
    const { transport, caller, state } = setUp(unreachable);
    settle(calls(() => get(caller), 1 * SECONDS));
    const before = asked(transport, A);
    state.down = false;
    settle(calls(() => get(caller), 10 * SECONDS));
    expect(asked(transport, A) - before).toBeGreaterThan(20);
  });

  test('is not used more and more often if its checks succeed and its calls fail', () => {
    const { transport, caller } = setUp(reply(200), silent);
    const ends = settle(calls(() => get(caller), 60 * SECONDS));
    expect(ends).toMatchObject([{ outcome: 'ok' }]);
    // Each timeout of 1.5 s has many calls: they count as one failure.
    const times = transport.checks.length;
    expect(times).toBeGreaterThan(5);
    // With pauses that do not grow there would be more than thirty.
    expect(times).toBeLessThan(15);
  });

  test('keeps its state if its health is unknown', () => {
    const { transport, caller, state } = setUp(reply(404, 'Not Found'));
    settle(get(caller));
    state.down = false;
    settle(calls(() => get(caller), 1 * SECONDS));
    expect(asked(transport, A)).toBeGreaterThan(2);
  });

  test('stays unavailable for calls although a stream there continues, as on a member that has lost the others', () => {
    const { transport, caller } = setUp(reply(503, { health: 'false' }), silent);
    const streaming = caller.channel(kvRpcs.range).pipe(
      switchMap((channel) =>
        timer(0, 100).pipe(
          take(200),
          map(() => (channel.responded(), channel.endpoint)),
        ),
      ),
    );
    expect(
      settle(
        streaming,
        calls(() => get(caller), 20 * SECONDS),
      ),
    ).toMatchObject([{ outcome: A }, { outcome: 'ok' }]);
    // Only the calls before the timeout.
    expect(asked(transport, A)).toBeLessThan(20);
  });

  test('is not checked by a client that is not in use', () => {
    const { transport, caller } = setUp(unreachable);
    settle(
      get(caller),
      after(600 * SECONDS, () => get(caller)),
    );
    expect(transport.checks).toHaveLength(1);
  });

  test('is not checked if it is the only one, as calls use it anyway', () => {
    const transport = scriptedTransport(lost());
    settle(calls(() => get(callerOf(transport)), 1 * SECONDS));
    expect(transport.checks).toEqual([]);
  });
});

test('endpoints that are all set aside are still used, beginning with the one whose pause ends first', () => {
  let down = true;
  const transport = scriptedTransport((request) => (down ? unreachable : reply(200))(request));
  const caller = callerOf(transport, { endpoints: [A, B] });
  expect(settle(get(caller))).toMatchObject([{ outcome: 'Unreachable' }]);
  down = false;
  expect(settle(get(caller))).toMatchObject([{ outcome: 'ok' }]);
});

describe('endpoints that are set at run time', () => {
  const C = 'http://c:1';
  const originsOf = ({ posts }: ScriptedTransport): string[] => posts.map(({ origin }) => origin);
  const setAt = (ms: number, caller: ClosableCaller, ...origins: string[]): Observable<string> =>
    timer(ms).pipe(map(() => (caller.setEndpoints(origins), 'set')));

  test('replace the previous ones, at which calls in progress finish', () => {
    const transport = scriptedTransport(reply(200, { header }, 100));
    const caller = callerOf(transport);
    const ends = settle(
      put(caller),
      setAt(50, caller, B, C),
      after(60, () => put(caller)),
      after(61, () => put(caller)),
    );
    expect(ends).toMatchObject([{ outcome: 'ok', at: 101 }, { outcome: 'set' }, { outcome: 'ok' }, { outcome: 'ok' }]);
    expect(originsOf(transport)).toEqual([A, B, C]);
    expect(transport.released).toEqual([A]);
    expect(caller.endpoints()).toEqual([B, C]);
  });

  test('keep the state of those that stay', () => {
    const transport = scriptedTransport((request) => (request.origin === A ? lost() : reply(200))(request));
    const caller = callerOf(transport, { endpoints: [A, B] });
    settle(
      get(caller),
      setAt(10, caller, B, A, C),
      after(20, () => get(caller)),
      after(21, () => get(caller)),
    );
    // A is set aside as before, and the version of B is not requested again.
    expect(originsOf(transport)).toEqual([A, B, B, C]);
    expect(transport.versionRequests.map(({ origin }) => origin)).toEqual([A, B, C]);
    // If one connection was lost, others may be dead as well. The connections to B stay.
    expect(new Set(transport.released)).toEqual(new Set([A]));
  });

  test.each<[string, Script, Script]>([
    ['for the version', reply(200), silent],
    ['for its next try', unreachable, reply(200, { etcdserver: '3.5.0' })],
  ])('move a call that waits %s', (_, script, version) => {
    const at =
      (atA: Script, elsewhere: Script): Script =>
      (request) =>
        (request.origin === A ? atA : elsewhere)(request);
    const transport = scriptedTransport(at(script, reply(200)), at(version, reply(200, { etcdserver: '3.5.0' })));
    const caller = callerOf(transport);
    const [end] = settle(put(caller, { timeoutMs: 2_000 }), setAt(30, caller, B));
    expect([end?.outcome, originsOf(transport).at(-1)]).toEqual(['ok', B]);
  });

  test('reject a call to one that was removed', () => {
    const caller = callerOf(scriptedTransport(reply(200)));
    caller.setEndpoints([B]);
    expect(settle(get(caller, { endpoint: A }))).toMatchObject([
      { outcome: 'InvalidArgument', error: { message: expect.stringContaining(B) } },
    ]);
  });
});

test.each([
  ['a URL', 'http://b:1', {}],
  ['a URL with a slash at its end', 'http://b:1/', {}],
  ['a host and port without a scheme', 'b:1', {}],
  ['a path on the origin of the page', '/', settingsOf({ endpoints: [A, '/'] }, { baseUrl: 'http://b:1/app/' })],
])('the option endpoint accepts the same forms as createClient: %s', (_, endpoint, settings) => {
  const transport = scriptedTransport(reply(200));
  const caller = callerOf(transport, { endpoints: [A, B], ...settings });
  expect(caller.endpoints()).toEqual([A, B]);
  expect(settle(get(caller, { endpoint }), get(caller, { endpoint }))).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
  expect([asked(transport, A), asked(transport, B)]).toEqual([0, 2]);
});

test('an unresponsive endpoint is skipped while another responds, although all are set aside', () => {
  const leaderless: Script = (request) => refuse('etcdserver: no leader', 14, 503)(request).pipe(tap(() => request.onReceived?.()));
  const others: Script = (request) => (asyncScheduler.now() < 2_500 ? leaderless : reply(200))(request);
  const transport = scriptedTransport((request) => (request.origin === A ? silent : others)(request));
  transport.health = silent;
  const [end] = settle(get(callerOf(transport, { endpoints: [A, B, 'http://c:1'] })));
  expect(end?.outcome).toBe('ok');
  expect(end?.at).toBeLessThan(3_500);
  expect(asked(transport, A)).toBe(1);
});

test('a member that responds to no call but reports its version is not unresponsive', () => {
  const endpoint = new Endpoint(A, {
    discover: () => of({ version: undefined, prefix: '/v3', supportsAll: true }),
    check: () => NEVER,
    renew: () => undefined,
  });
  const mute: boolean[] = [];
  runInVirtualTime(({ flush }) => {
    timer(10).subscribe(() => endpoint.markFailed());
    timer(20).subscribe(() => mute.push(endpoint.isUnresponsive));
    timer(30)
      .pipe(switchMap(() => endpoint.discover()))
      .subscribe(() => mute.push(endpoint.isUnresponsive));
    flush();
  });
  expect(mute).toEqual([true, false]);
});
