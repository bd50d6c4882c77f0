import { describe, expect, test } from '@jest/globals';
import { concat, map, mergeMap, NEVER, of, take, timer, toArray, type Observable } from 'rxjs';
import { type ClosableCaller, discoveryModule } from '../../../../src/transport/caller.js';
import * as memberDiscovery from '../../../../src/transport/endpoints/memberDiscovery.js';
import {
  A,
  after,
  B,
  callerOf,
  get,
  lost,
  refuse,
  reply,
  scriptedTransport,
  settle,
  silent,
  type Script,
} from '../../../support/fakes/fakeTransport.js';

// Virtual time does not advance while modules load.
discoveryModule.provide(memberDiscovery);

const C = 'http://c:1';
const CLUSTER = '77';

interface ScriptedMember {
  readonly ID: string;
  readonly clientURLs: readonly string[];
  readonly isLearner?: boolean;
}

/** A server that reports to be this member. */
const is = (memberId: string, clusterId = CLUSTER): Script =>
  reply(200, { header: { cluster_id: clusterId, member_id: memberId, revision: '7', raft_term: '1' } });

/** The member list of a cluster, and which member responds at which endpoint; A is member 1. */
function cluster(members: readonly ScriptedMember[], servers: Readonly<Record<string, Script>>) {
  const state = { members, servers: { [A]: is('1'), ...servers } as Record<string, Script> };
  const transport = scriptedTransport((request) => {
    if (request.path.endsWith('/cluster/member/list'))
      return reply(200, { header: { cluster_id: CLUSTER, member_id: '1' }, members: state.members })(request);
    return (state.servers[request.origin] ?? lost())(request);
  });
  return { state, transport, caller: callerOf(transport, { discovery: { intervalMs: 60_000 } }) };
}

const member = (ID: string, ...clientURLs: string[]): ScriptedMember => ({ ID, clientURLs });
const lists = ({ posts }: ReturnType<typeof scriptedTransport>): number => posts.filter(({ path }) => path.endsWith('/list')).length;
/** Makes a call every second. */
const calls = (caller: ClosableCaller, seconds: number): Observable<string> =>
  timer(0, 1_000).pipe(take(seconds), mergeMap(() => get(caller)), toArray(), map((ends) => [...new Set(ends)].join())); // prettier-ignore

describe('the members of a cluster', () => {
  test('are discovered at the first use of the client, and used in turn with the configured endpoints', () => {
    const { transport, caller } = cluster([member('1', A), member('2', B), member('3', C)], { [B]: is('2'), [C]: is('3') });
    expect(settle(calls(caller, 5))).toMatchObject([{ outcome: 'ok' }]);
    expect(caller.endpoints()).toEqual([A, B, C]);
    const ranges = transport.posts.filter(({ path }) => path.endsWith('/range')).map(({ origin }) => origin);
    expect(new Set(ranges)).toEqual(new Set([A, B, C]));
  });

  test.each<[string, ScriptedMember, Script]>([
    ['of a learner', { ...member('2', B), isLearner: true }, is('2')],
    ['that does not respond', member('2', B), silent],
    ['whose connection breaks', member('2', B), lost()],
    ['of another member', member('2', B), is('1')],
    ['of another cluster', member('2', B), is('2', '78')],
    ['of another program', member('2', B), reply(200, '<html>')],
    ['that requires authentication', member('2', B), refuse('etcdserver: user name is empty', 3)],
    ['of another scheme', member('2', 'https://b:1', 'unix://b:1'), is('2')],
    ['that is invalid', member('2', 'b', 'http://', ''), is('2')],
    ['of a member that has not started', member('2'), is('2')],
  ])('are not requested from an address %s', (_, { ...other }, script) => {
    const { caller } = cluster([member('1', A), other], { [B]: script, 'https://b:1': script });
    expect(settle(calls(caller, 20))).toMatchObject([{ outcome: 'ok' }]);
    expect(caller.endpoints()).toEqual([A]);
  });

  test.each([
    ['are found', CLUSTER, [A, B]],
    ['are not found in another cluster', '78', [A]],
  ])('that reject a status without a token %s, by the header of a rejected watch', (_, clusterId, found) => {
    const secured: Script = (request) =>
      (request.path.endsWith('/status') ? refuse('etcdserver: user name is empty', 3) : is('2'))(request);
    const { transport, caller } = cluster([member('1', A), member('2', B)], { [B]: secured });
    const header = { cluster_id: clusterId, member_id: '2', revision: '7', raft_term: '1' };
    const refusal = { header, created: true, canceled: true, watch_id: '-1', cancel_reason: 'etcdserver: user name is empty' };
    transport.streams = () => concat(of({ type: 'chunk', bytes: Buffer.from(JSON.stringify({ result: refusal })) } as const), NEVER);
    expect(settle(calls(caller, 5))).toMatchObject([{ outcome: 'ok' }]);
    expect(caller.endpoints()).toEqual(found);
    expect(transport.live).toBe(0);
  });

  test('are used at the first of their addresses that leads to them', () => {
    const { caller } = cluster([member('2', 'http://localhost:1', B, C)], { 'http://localhost:1': is('1'), [B]: is('2'), [C]: is('2') });
    settle(calls(caller, 5));
    expect(caller.endpoints()).toEqual([A, B]);
  });

  test('are requested again periodically, and dropped when they were removed; configured endpoints stay', () => {
    const { state, transport, caller } = cluster([member('2', B)], { [B]: is('2'), [C]: is('3') });
    settle(calls(caller, 50));
    expect([caller.endpoints(), lists(transport)]).toEqual([[A, B], 1]);
    state.members = [member('3', C)];
    settle(after(61_000, () => calls(caller, 5)));
    expect([caller.endpoints(), lists(transport)]).toEqual([[A, C], 2]);
    expect(transport.released).toContain(B);
  });

  test('are requested sooner while an endpoint fails', () => {
    const { state, transport, caller } = cluster([member('2', B)], { [B]: is('2'), [C]: is('3') });
    transport.health = lost();
    settle(calls(caller, 3));
    state.servers[B] = lost();
    state.members = [member('3', C)];
    settle(calls(caller, 20));
    expect(caller.endpoints()).toEqual([A, C]);
    expect(lists(transport)).toBe(2);
  });

  test('stay in use while their list cannot be read', () => {
    const { state, caller } = cluster([member('2', B)], { [B]: is('2') });
    settle(calls(caller, 3));
    state.members = [{ ...member('3', C), ID: 'nonsense' }];
    settle(after(61_000, () => calls(caller, 3)));
    expect(caller.endpoints()).toEqual([A, B]);
  });

  test('receive no token and no header before they are verified', () => {
    const { transport } = cluster([member('2', B)], { [B]: is('2', '78') });
    const headers = { 'x-api-key': 'secret' };
    const caller = callerOf(transport, { discovery: { intervalMs: 60_000 }, auth: { token: 'secret' }, headers });
    settle(calls(caller, 3));
    const there = [...transport.posts, ...transport.versionRequests].filter(({ origin }) => origin === B);
    expect(there.length).toBeGreaterThan(1);
    expect(JSON.stringify(there)).not.toContain('secret');
  });

  test('are those of the new endpoints after setEndpoints', () => {
    const { state, caller } = cluster([member('2', B)], { [B]: is('2'), [C]: is('3') });
    settle(calls(caller, 3));
    caller.setEndpoints([C]);
    expect(caller.endpoints()).toEqual([C]);
    state.members = [member('1', A)];
    settle(calls(caller, 3));
    expect(caller.endpoints()).toEqual([C, A]);
  });

  test('are not requested without the option, nor by a client that is not in use', () => {
    const { transport } = cluster([member('2', B)], { [B]: is('2') });
    const caller = callerOf(transport);
    settle(calls(caller, 100));
    expect([caller.endpoints(), lists(transport)]).toEqual([[A], 0]);
    const idle = callerOf(transport, { discovery: { intervalMs: 10 } });
    settle(get(idle), timer(100_000).pipe(map(() => 'later')));
    expect(lists(transport)).toBe(1);
  });
});
