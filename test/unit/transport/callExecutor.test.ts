import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, defer, map, of, timer, type Observable } from 'rxjs';
import { kvRpcs } from '../../../src/codec/kv.js';
import {
  A,
  after,
  B,
  callerOf,
  get,
  inTurn,
  lost,
  put,
  refuse,
  reply,
  scriptedTransport,
  settle,
  silent,
  unreachable,
} from '../../support/fakes/fakeTransport.js';

describe('a call whose connection is refused', () => {
  test.each([
    ['read', get],
    ['write', put],
  ] as const)('is retried on the next endpoint at once: a %s', (_, call) => {
    const transport = scriptedTransport((request) => (request.origin === A ? unreachable : reply(200))(request));
    const [result] = settle(...[call(callerOf(transport, { endpoints: [A, B] }))]);
    expect(result?.outcome).toBe('ok');
    expect(transport.posts.map(({ origin }) => origin)).toEqual([A, B]);
    expect(result?.at).toBeLessThan(20);
  });

  test('fails after four attempts with a single endpoint, and names it', () => {
    const transport = scriptedTransport(unreachable);
    const [result] = settle(...[put(callerOf(transport, { endpoints: ['http://e0:1'] }))]);
    expect(result).toMatchObject({ outcome: 'Unreachable', error: { message: expect.stringContaining('KV.Put at http://e0:1') } });
    expect(transport.posts).toHaveLength(4);
  });

  test.each([2, 3, 6])(
    'with %d endpoints is retried for five seconds, in which a cluster may elect a leader, and names the last one',
    (count) => {
      const transport = scriptedTransport(unreachable);
      const endpoints = Array.from({ length: count }, (_, index) => `http://e${index}:1`);
      const [result] = settle(...[put(callerOf(transport, { endpoints }))]);
      expect(result).toMatchObject({ outcome: 'Unreachable', error: { message: expect.stringMatching(/KV.Put at http:\/\/e\d:1/) } });
      expect(result?.at).toBeGreaterThanOrEqual(5_000);
      expect(result?.at).toBeLessThan(5_700);
      expect(transport.posts.length).toBeLessThan(count * 20);
    },
  );

  test('tries all endpoints in turn, although all are set aside, as any may be back', () => {
    const transport = scriptedTransport(unreachable);
    settle(...[put(callerOf(transport, { endpoints: [A, B, 'http://c:1'] }))]);
    expect(transport.posts.slice(0, 6).map(({ origin }) => origin)).toEqual([A, B, 'http://c:1', A, B, 'http://c:1']);
  });

  test('waits longer after each attempt if there is no other endpoint', () => {
    const transport = scriptedTransport(inTurn(unreachable, unreachable, unreachable, reply(200)));
    const [result] = settle(...[put(callerOf(transport))]);
    expect(result?.outcome).toBe('ok');
    // 100 + 200 + 400 ms, each times 0.5 to 1.5
    expect(result?.at).toBeGreaterThan(340);
    expect(result?.at).toBeLessThan(1_100);
  });
});

describe('a call after the failure of another call', () => {
  test('is not delayed if the endpoint has responded since', () => {
    const transport = scriptedTransport(inTurn(reply(200, undefined, 3), lost(10), reply(200, undefined, 30), reply(200)));
    const caller = callerOf(transport);
    const ends = settle(...[get(caller), after(10, () => put(caller)), after(12, () => get(caller)), after(50, () => get(caller))]);
    expect(ends.map(({ outcome }) => outcome)).toEqual(['ok', 'AmbiguousWrite', 'ok', 'ok']);
    expect(ends[3]?.at).toBeLessThan(60);
  });

  test('does not wait for the version on a dead connection', () => {
    const version = reply(200, { etcdserver: '3.5.0', etcdcluster: '3.5.0' });
    const transport = scriptedTransport(
      inTurn(reply(200), refuse('etcdserver: request timed out', 14, 503), reply(200)),
      inTurn(version, silent, version),
    );
    const caller = callerOf(transport);
    const ends = settle(...[get(caller), after(10, () => put(caller)), after(5_000, () => get(caller))]);
    expect(ends.map(({ outcome }) => outcome)).toEqual(['ok', 'AmbiguousWrite', 'ok']);
    expect(transport.released).toEqual([A]);
    expect(ends[2]?.at).toBeLessThan(6_600);
  });
});

describe('a call whose response is lost', () => {
  test('is retried on the next endpoint if it reads', () => {
    const transport = scriptedTransport(inTurn(lost(), reply(200)));
    expect(settle(...[get(callerOf(transport, { endpoints: [A, B] }))])).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts.map(({ origin }) => origin)).toEqual([A, B]);
  });

  test('is never retried if it writes, and fails with AmbiguousWrite, which names the endpoint and the cause', () => {
    const transport = scriptedTransport(inTurn(lost(), reply(200)));
    const [result] = settle(...[put(callerOf(transport, { endpoints: [A, B] }))]);
    expect(result).toMatchObject({ outcome: 'AmbiguousWrite', error: { rpc: 'KV.Put', endpoint: A, cause: { reason: 'ConnectionLost' } } });
    expect(transport.posts).toHaveLength(1);
  });

  test('is retried no more than a bounded number of times', () => {
    const transport = scriptedTransport(lost());
    const [result] = settle(...[get(callerOf(transport, { endpoints: [A, B] }))]);
    expect(result?.outcome).toBe('ConnectionLost');
    expect(result?.at).toBeLessThan(5_700);
    expect(transport.posts.length).toBeLessThan(40);
  });

  test('is retried for as long as a cluster takes to elect a leader', () => {
    const leaderless = refuse('etcdserver: leader changed', 14, 503);
    const transport = scriptedTransport((request) => defer(() => (asyncScheduler.now() < 1_500 ? leaderless : reply(200))(request)));
    const [result] = settle(...[get(callerOf(transport, { endpoints: [A, B, 'http://c:1'] }))]);
    expect(result?.outcome).toBe('ok');
    expect(result?.at).toBeLessThan(2_200);
  });

  test('from a member with another leader is retried at once, and the member is not set aside', () => {
    const changed = refuse('etcdserver: leader changed', 14, 503);
    const transport = scriptedTransport(inTurn(changed, changed, reply(200)));
    const caller = callerOf(transport, { endpoints: [A, B] });
    const [first, ...others] = settle(
      get(caller),
      after(200, () => get(caller)),
      after(210, () => get(caller)),
    );
    expect(first).toMatchObject({ outcome: 'ok' });
    expect(others).toMatchObject([{ at: 201 }, { at: 211 }]);
    expect(transport.posts.map(({ origin }) => origin)).toEqual([A, B, A, B, A]);
    expect(transport.checks).toHaveLength(0);
  });

  test('from members that cannot agree is retried with pauses, and not forever', () => {
    const transport = scriptedTransport(refuse('etcdserver: leader changed', 14, 503));
    const [end] = settle(get(callerOf(transport, { endpoints: [A, B] })));
    expect(end).toMatchObject({ outcome: 'LeaderChanged' });
    expect(end?.at).toBeLessThan(5_700);
    expect(transport.posts.length).toBeLessThan(40);
  });

  test('from a member whose leader moves is retried after a pause, a write included, as nothing was proposed', () => {
    const dropped = refuse('raft proposal dropped', 2, 500);
    const transport = scriptedTransport(inTurn(dropped, dropped, reply(200)));
    const [result] = settle(...[put(callerOf(transport, { endpoints: [A, B] }))]);
    expect(result).toMatchObject({ outcome: 'ok' });
    expect(result?.at).toBeGreaterThan(50);
    expect(transport.posts.map(({ origin }) => origin)).toEqual([A, A, A]);
    const always = scriptedTransport(dropped);
    const [end] = settle(...[put(callerOf(always, { endpoints: [A] }))]);
    expect(end).toMatchObject({ outcome: 'ProposalDropped' });
    expect(end?.at).toBeLessThan(5_700);
    expect(always.posts.length).toBeLessThan(40);
  });

  test('from a server without a leader is retried in the same way', () => {
    const leaderless = refuse('etcdserver: no leader', 14, 503);
    const reads = scriptedTransport(inTurn(leaderless, reply(200)));
    const writes = scriptedTransport(inTurn(leaderless, reply(200)));
    expect(settle(...[get(callerOf(reads)), put(callerOf(writes))])).toMatchObject([{ outcome: 'ok' }, { outcome: 'AmbiguousWrite' }]);
    expect([reads.posts.length, writes.posts.length]).toEqual([2, 1]);
  });

  test('is retried for a txn only if it just reads', () => {
    const [reads, writes] = [scriptedTransport(inTurn(lost(), reply(200))), scriptedTransport(inTurn(lost(), reply(200)))];
    const ok = map(() => 'ok');
    expect(settle(...[callerOf(reads).unary(kvRpcs.readTxn, {}).pipe(ok), callerOf(writes).unary(kvRpcs.txn, {}).pipe(ok)])).toMatchObject([
      { outcome: 'ok' },
      { outcome: 'AmbiguousWrite' },
    ]);
  });
});

describe('a response with an error', () => {
  test.each([
    ['etcdserver: requested lease not found', 5, 'LeaseNotFound'],
    ['etcdserver: mvcc: required revision has been compacted', 11, 'Compacted'],
    ['etcdserver: permission denied', 7, 'PermissionDenied'],
    ['etcdserver: too many requests', 8, 'TooManyRequests'],
  ])('%s is final, for reads and writes', (text, code, reason) => {
    const transport = scriptedTransport(refuse(text, code));
    expect(settle(...[get(callerOf(transport)), put(callerOf(transport))])).toMatchObject([{ outcome: reason }, { outcome: reason }]);
    expect(transport.posts).toHaveLength(2);
  });

  test('without meaning fails a write with AmbiguousWrite, and a read after as many attempts as without a response', () => {
    const transport = scriptedTransport(reply(200, '<html>'));
    expect(settle(...[get(callerOf(transport)), put(callerOf(transport))])).toMatchObject([
      { outcome: 'MalformedResponse' },
      { outcome: 'AmbiguousWrite' },
    ]);
    expect(transport.posts.map(({ rpc }) => rpc).toSorted()).toEqual(['KV.Put', 'KV.Range', 'KV.Range', 'KV.Range', 'KV.Range']);
  });
});

describe('the endpoint of a call', () => {
  test('is skipped after it failed, and used again after its pause', () => {
    let down = true;
    const transport = scriptedTransport((request) => (request.origin === A && down ? lost() : reply(200))(request));
    const caller = callerOf(transport, { endpoints: [A, B] });
    const later = (ms: number): Observable<string> => after(ms, () => get(caller));
    const calls = [get(caller), later(20), later(40), later(60), timer(61).pipe(map(() => ((down = false), 'up'))), later(200), later(210)];
    expect(settle(...calls).every(({ outcome: reason }) => ['ok', 'up'].includes(reason))).toBe(true);
    expect(transport.posts.map(({ origin }) => origin).slice(0, 5)).toEqual([A, B, B, B, B]);
    expect(transport.posts.slice(5).map(({ origin }) => origin)).toContain(A);
  });

  test('is set aside once, not 64 times, when 64 calls fail together', () => {
    let down = true;
    const transport = scriptedTransport((request) => (request.origin === A && down ? lost(5) : reply(200))(request));
    const caller = callerOf(transport, { endpoints: [A, B] });
    const many = Array.from({ length: 64 }, () => get(caller));
    settle(...[...many, timer(50).pipe(map(() => ((down = false), 'up'))), after(300, () => get(caller)), after(310, () => get(caller))]);
    // 300 ms later it is probed again; 64 doublings would have set it aside for the longest time.
    expect(transport.posts.slice(-2).map(({ origin }) => origin)).toContain(A);
  });

  test('can be chosen, as it was passed to createClient', () => {
    const transport = scriptedTransport(reply(200));
    const caller = callerOf(transport, { endpoints: ['http://a:1', 'https://b'] });
    const outcomes = settle(
      ...[
        ...['http://a:1', 'http://a:1/', 'HTTP://A:1'].map((endpoint) => get(caller, { endpoint })),
        get(caller, { endpoint: 'https://b:443' }),
      ],
    );
    expect(outcomes.map((result) => result.outcome)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(transport.posts.map(({ origin }) => origin)).toEqual(['http://a:1', 'http://a:1', 'http://a:1', 'https://b']);
  });

  test('is also the only one of a second attempt if it was chosen', () => {
    const transport = scriptedTransport(inTurn(lost(), reply(200)));
    expect(settle(...[get(callerOf(transport, { endpoints: [A, B] }), { endpoint: B })])).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts.map(({ origin }) => origin)).toEqual([B, B]);
  });

  test.each(['http://c:1', 'hunter2', 'http://root:hunter2@c:1', ''])(
    'is rejected with InvalidArgument if it is not one of the client, and not retried: %j',
    (endpoint) => {
      const [result] = settle(...[get(callerOf(scriptedTransport(reply(200))), { endpoint })]);
      expect(result?.outcome).toBe('InvalidArgument');
      expect(String(result?.error)).not.toContain('hunter2');
    },
  );
});

test('closing the client ends the wait for another attempt', () => {
  const caller = callerOf(scriptedTransport(unreachable));
  const close = timer(20).pipe(map(() => (void caller.close(), 'closed')));
  expect(settle(...[put(caller), close])).toMatchObject([{ outcome: 'ClientClosed', at: 20 }, { outcome: 'closed' }]);
});

test('an invalid request fails before anything is sent, and is not retried', () => {
  const transport = scriptedTransport(reply(200));
  const wrong = callerOf(transport)
    .unary(kvRpcs.put, JSON.parse('{"keyy":"a"}'))
    .pipe(map(() => 'ok'));
  expect(settle(...[wrong, of('next')])).toMatchObject([{ outcome: 'InvalidArgument' }, { outcome: 'next' }]);
  expect(transport.posts).toHaveLength(0);
});

describe('the limits of the option retry', () => {
  test.each([1, 2, 7])('allow %d attempts, with one endpoint and with several', (maxAttempts) => {
    for (const endpoints of [[A], [A, B]]) {
      const transport = scriptedTransport(unreachable);
      const [result] = settle(...[put(callerOf(transport, { endpoints, retryLimits: { maxAttempts } }))]);
      expect(result?.outcome).toBe('Unreachable');
      expect(transport.posts).toHaveLength(maxAttempts);
    }
  });

  test('do not retry a write that was sent', () => {
    const transport = scriptedTransport(lost());
    const [result] = settle(...[put(callerOf(transport, { endpoints: [A, B], retryLimits: { maxAttempts: 5 } }))]);
    expect(result?.outcome).toBe('AmbiguousWrite');
    expect(transport.posts).toHaveLength(1);
  });

  test('limit the attempts that a policy requests', () => {
    const transport = scriptedTransport(lost());
    const [result] = settle(...[get(callerOf(transport, { endpoints: [A], retry: () => 'retry', retryLimits: { maxAttempts: 3 } }))]);
    expect(result?.outcome).toBe('ConnectionLost');
    expect(transport.posts).toHaveLength(3);
  });

  test('set the pauses', () => {
    const transport = scriptedTransport(unreachable);
    const retryLimits = { maxAttempts: 4, initialBackoffMs: 1_000, maxBackoffMs: 2_000, jitter: 0 };
    const [result] = settle(...[put(callerOf(transport, { endpoints: [A], retryLimits }))]);
    expect(result?.at).toBeGreaterThanOrEqual(5_000);
    expect(result?.at).toBeLessThan(5_100);
  });

  test('set the pauses after a change of leader, of which the first lasts initialBackoffMs', () => {
    const dropped = refuse('raft proposal dropped', 2, 500);
    const transport = scriptedTransport(inTurn(dropped, dropped, dropped, reply(200)));
    const retryLimits = { maxAttempts: 4, initialBackoffMs: 1_000, maxBackoffMs: 2_500, jitter: 0 };
    const [result] = settle(...[put(callerOf(transport, { endpoints: [A], retryLimits }))]);
    expect(result?.outcome).toBe('ok');
    // 1 000 + 2 000 + 2 500 ms
    expect(result?.at).toBeGreaterThanOrEqual(5_500);
    expect(result?.at).toBeLessThan(5_600);
  });
});
