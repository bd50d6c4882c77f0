import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, defer, mergeMap, NEVER, repeat, tap, timer } from 'rxjs';
import { leaseRpcs } from '../../../../src/codec/lease.js';
import type { Rpc } from '../../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../../src/codec/watch.js';
import { EtcdError, isEtcdError } from '../../../../src/errors/index.js';
import { LeaseActivity } from '../../../../src/transport/endpoints/activity.js';
import { pageLeft } from '../../../../src/transport/wire.js';
import type { DuplexRequest } from '../../../../src/transport/http/transport.js';
import {
  A,
  B,
  callerOf,
  inTurn,
  lost,
  refuse,
  reply,
  scriptedTransport,
  silent,
  runInVirtualTime,
  type Script,
} from '../../../support/fakes/fakeTransport.js';

const NONE = refuse('etcdserver: no leader', 14, 503);
const LEADER = reply(200, { leader: '7' });

interface Circumstances {
  readonly endpoints?: string[];
  readonly transport?: 'websocket' | 'http2';
  readonly rpc?: Rpc<never, unknown>;
  /** The time from which the client holds a lease, in milliseconds. */
  readonly leaseFromMs?: number;
  readonly untilMs?: number;
}

/**
 * Returns how a stream ended within 10 s on a transport. The script decides how the member reports whether it has a
 * leader.
 */
function outcomeOf(script: Script, options: Circumstances = {}) {
  const { endpoints = [A, B], transport = 'websocket', rpc = watchRpcs.watch, leaseFromMs = 0, untilMs = 10_000 } = options;
  const leases = new LeaseActivity();
  const scripted = scriptedTransport(script);
  const opened: DuplexRequest[] = [];
  const ends: string[] = [];
  const duplex = (request: DuplexRequest) =>
    defer(() => {
      opened.push(request);
      return NEVER;
    });
  runInVirtualTime(({ flush }) => {
    const caller = callerOf({ ...scripted, duplex }, { endpoints, headers: { own: '1' }, streams: { transport } }, leases);
    const holding = (leaseFromMs === Infinity ? NEVER : timer(leaseFromMs)).subscribe(() => leases.begin());
    const stream = caller.channel(rpc).pipe(mergeMap((channel) => channel.duplex?.() ?? NEVER));
    const started = asyncScheduler.now();
    const subscription = stream.subscribe({
      error: (error: unknown) => ends.push(`${isEtcdError(error) ? error.reason : 'fault'} at ${asyncScheduler.now() - started}`),
    });
    timer(untilMs).subscribe(() => {
      subscription.unsubscribe();
      holding.unsubscribe();
    });
    flush();
  });
  return { ends, opened, questions: scripted.posts };
}

test.each([
  ['the page was left', () => pageLeft({ rpc: 'Watch.Watch' }), 'websocket', 1],
  ['its connection broke', () => new EtcdError('ConnectionLost', 'scripted'), 'chunked', 4],
])('three streams of an old server that end because %s', (_, error, transport, versionRequests) => {
  const scripted = scriptedTransport(LEADER, reply(200, { etcdserver: '3.3.25', etcdcluster: '3.3.0' }));
  const transports: string[] = [];
  runInVirtualTime(({ flush }) => {
    const caller = callerOf(scripted, { endpoints: [A] });
    const next = caller.channel(watchRpcs.watch).pipe(
      tap((channel) => {
        transports.push(channel.transport);
        channel.failed(error());
      }),
    );
    next.pipe(repeat({ count: 4 })).subscribe({ error: (failure: unknown) => transports.push(String(failure)) });
    flush();
  });
  expect(transports.at(-1)).toBe(transport);
  expect(scripted.versionRequests).toHaveLength(versionRequests);
});

describe('a watch over a WebSocket', () => {
  test('does not start on a member without a leader', () => {
    const { ends, opened, questions } = outcomeOf(NONE);
    expect(ends).toEqual(['NoLeader at 2']);
    expect(opened).toEqual([]);
    expect(questions).toEqual([
      expect.objectContaining({ origin: A, path: '/v3/maintenance/status', headers: { own: '1', 'grpc-metadata-hasleader': 'true' } }),
    ]);
  });

  test('leaves a member that has lost its leader for longer than an election takes', () => {
    expect(outcomeOf(inTurn(LEADER, LEADER, NONE, NONE))).toMatchObject({ ends: [expect.stringMatching(/^NoLeader at 45\d\d$/)] });
    expect(outcomeOf(inTurn(LEADER, LEADER, NONE, LEADER, NONE, LEADER)).ends).toEqual([]);
  });

  test('leaves the member later if the client only watches', () => {
    const idle = { leaseFromMs: Infinity, untilMs: 15_000 };
    const { ends, questions } = outcomeOf(inTurn(LEADER, NONE, NONE), idle);
    expect(ends).toEqual([expect.stringMatching(/^NoLeader at 125\d\d$/)]);
    expect(questions).toHaveLength(3);
  });

  test('checks for a leader sooner once the client holds a lease', () => {
    expect(outcomeOf(inTurn(LEADER, NONE, NONE), { leaseFromMs: 5_000 }).ends).toEqual([expect.stringMatching(/^NoLeader at 55\d\d$/)]);
  });

  test.each([
    ['forbidden', refuse('etcdserver: permission denied', 7, 403)],
    ['refused as the token is', refuse('etcdserver: invalid auth token', 16, 401)],
    ['a response of a proxy', reply(502, '<html>')],
    ['lost', lost()],
    ['not answered', silent],
  ])('stays if the check for a leader is %s', (_, script) => {
    const { ends, questions } = outcomeOf(inTurn(LEADER, script));
    expect(ends).toEqual([]);
    expect(questions.length).toBeGreaterThan(2);
  });

  test('sends no check for a leader if there is no other endpoint', () => {
    expect(outcomeOf(NONE, { endpoints: [A] })).toMatchObject({ ends: [], opened: [{ origin: A }], questions: [] });
  });
});

test('the request over HTTP/2 requires a leader itself', () => {
  const { ends, opened, questions } = outcomeOf(NONE, { transport: 'http2' });
  expect(opened).toMatchObject([{ headers: { own: '1', 'grpc-metadata-hasleader': 'true' } }]);
  expect([...ends, ...questions]).toEqual([]);
});

test('keepalives are sent to any member', () => {
  for (const transport of ['websocket', 'http2'] as const) {
    const { ends, opened, questions } = outcomeOf(NONE, { transport, rpc: leaseRpcs.keepAlive });
    expect(opened.map(({ headers }) => headers)).toEqual([{ own: '1' }]);
    expect([...ends, ...questions]).toEqual([]);
  }
});
