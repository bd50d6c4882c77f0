import { describe, expect, test } from '@jest/globals';
import { map } from 'rxjs';
import { authRpcs } from '../../../../src/codec/auth.js';
import { clusterRpcs } from '../../../../src/codec/cluster.js';
import { watchRpcs } from '../../../../src/codec/watch.js';
import { isAtLeast, parseVersion } from '../../../../src/transport/endpoints/version.js';
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
  unreachable,
  runInVirtualTime,
  type Script,
} from '../../../support/fakes/fakeTransport.js';

const says = (etcdserver: unknown): Script => reply(200, { etcdserver, etcdcluster: etcdserver });

describe('the version of a server', () => {
  test.each([
    ['3.5.30', 3, 5],
    ['3.6.0-alpha.0', 3, 6],
    ['3.5.0-pre', 3, 5],
    ['3.4.23+git', 3, 4],
    ['3.5', 3, 5],
    ['3.10.1', 3, 10],
    ['4.0.0', 4, 0],
  ])('%s is parsed', (text, major, minor) => {
    expect(parseVersion(text)).toMatchObject({ major, minor, text });
  });

  test.each(['', 'garbage', 'v3.5.0', '3', '3.', '3.x', 'not_decided', '3.5beta', ' 3.5.0', '-3.5.0'])('%j is rejected', (text) => {
    expect(parseVersion(text)).toBeUndefined();
  });

  test.each([
    ['3.4.0', '3.4', true],
    ['3.10.0', '3.4', true],
    ['4.0.0', '3.9', true],
    ['3.3.25', '3.4', false],
    ['2.9.0', '3.0', false],
    ['3.4.0-rc.0', '3.4', true],
  ])('%s is at least %s: %p', (text, required, expected) => {
    const version = parseVersion(text);
    if (version === undefined) throw new Error('it is a version');
    expect(isAtLeast(version, required)).toBe(expected);
  });
});

describe('the version probe', () => {
  test('is sent once for a hundred concurrent calls, and not again', () => {
    const transport = scriptedTransport(reply(200), reply(200, { etcdserver: '3.5.0', etcdcluster: '3.5.0' }, 10));
    const caller = callerOf(transport);
    expect(settle(...Array.from({ length: 100 }, () => get(caller))).every((result) => result.outcome === 'ok')).toBe(true);
    settle(get(caller));
    expect([transport.versionRequests.length, transport.posts.length]).toEqual([1, 101]);
  });

  test.each([
    ['3.2.32', '/v3alpha/kv/range'],
    ['3.3.25', '/v3beta/kv/range'],
    ['3.4.0', '/v3/kv/range'],
    ['3.6.0-alpha.0', '/v3/kv/range'],
    ['3.5.0-pre', '/v3/kv/range'],
    ['4.0.0', '/v3/kv/range'],
  ])('%s leads to %s', (version, path) => {
    const transport = scriptedTransport(reply(200), says(version));
    expect(settle(get(callerOf(transport)))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts).toMatchObject([{ path }]);
  });

  test.each(['3.1.20', '3.0.0', '2.3.8'])('%s is too old, which the error reports with both versions', (version) => {
    const transport = scriptedTransport(reply(200), says(version));
    expect(settle(put(callerOf(transport)))).toMatchObject([
      {
        outcome: 'UnsupportedServerVersion',
        error: { required: '3.2', found: version, endpoint: A, message: expect.stringContaining(`this server is ${version}`) },
      },
    ]);
    expect(transport.posts).toHaveLength(0);
  });

  test.each<[string, Script]>([
    ['garbage', says('garbage')],
    ['a number', says(3.5)],
    ['no version', reply(200, {})],
    ['null', reply(200, null)],
    ['a page of HTML', reply(200, '<html>hunter2</html>')],
    ['a login page elsewhere', reply(302, 'hunter2')],
    ['a refusal', reply(401, 'hunter2')],
    ['a 404', reply(404, 'Not Found')],
  ])('with %s as the response fails with MalformedResponse, which states what to do', (_, version) => {
    const transport = scriptedTransport(reply(200), version);
    const [result] = settle(put(callerOf(transport)));
    expect(result).toMatchObject({
      outcome: 'MalformedResponse',
      error: { rpc: 'GET /version', endpoint: A, message: expect.stringContaining('set apiPrefix') },
    });
    expect(String(result?.error)).not.toContain('hunter2');
    expect(transport.posts).toHaveLength(0);
  });

  test.each([502, 503, 504])('that a proxy cannot forward now (%d) is sent to the next endpoint', (status) => {
    const transport = scriptedTransport(reply(200), (request) => (request.origin === A ? reply(status, '<html>') : says('3.5.0'))(request));
    expect(settle(put(callerOf(transport, { endpoints: [A, B] })))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts.map(({ origin }) => origin)).toEqual([B]);
  });

  test.each([200, 301, 403, 404, 500])('whose response is a page (%d) is sent to the next endpoint, by calls and streams', (status) => {
    const transport = scriptedTransport(reply(200), (request) => (request.origin === A ? reply(status, '<html>') : says('3.5.0'))(request));
    const caller = callerOf(transport, { endpoints: [A, B] });
    const channel = after(1, () => caller.channel(watchRpcs.watch).pipe(map(({ endpoint }) => endpoint)));
    expect(settle(put(caller), get(caller), channel)).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }, { outcome: B }]);
    expect(transport.posts.map(({ origin }) => origin)).toEqual([B, B]);
  });

  test.each([
    ['lost', lost()],
    ['not asked for, for there is no connection', unreachable],
  ])('that is %s is sent to the next endpoint, before a write too, as nothing was sent', (_, failing) => {
    const transport = scriptedTransport(reply(200), (request) => (request.origin === A ? failing : says('3.5.0'))(request));
    expect(settle(put(callerOf(transport, { endpoints: [A, B] })))).toMatchObject([{ outcome: 'ok' }]);
  });

  test('is sent to each endpoint separately: a cluster during an upgrade from 3.3 to 3.4 has both versions', () => {
    const transport = scriptedTransport(reply(200), (request) => says(request.origin === A ? '3.3.25' : '3.4.0')(request));
    const caller = callerOf(transport, { endpoints: [A, B] });
    settle(get(caller), get(caller));
    expect(transport.posts.map(({ origin, path }) => origin + path)).toEqual([`${A}/v3beta/kv/range`, `${B}/v3/kv/range`]);
  });

  test('is aborted when no call waits for it', () => {
    const transport = scriptedTransport(reply(200), queued);
    runInVirtualTime(({ flush }) => {
      const caller = callerOf(transport, { requestTimeoutMs: Infinity, attemptTimeoutMs: Infinity });
      const both = [get(caller).subscribe(), get(caller).subscribe()];
      flush();
      expect([transport.live, transport.versionRequests.length]).toEqual([1, 1]);
      both[0]?.unsubscribe();
      expect(transport.live).toBe(1);
      both[1]?.unsubscribe();
      expect(transport.live).toBe(0);
    });
  });
});

describe('the option apiPrefix', () => {
  test.each<[string, Script]>([
    ['that wants another', says('3.3.25')],
    ['that hides its version', reply(403, 'no')],
    ['whose version is too old', says('3.1.0')],
    ['whose version is garbage', says('garbage')],
  ])('precedes the prefix of the server %s', (_, version) => {
    const transport = scriptedTransport(reply(200), version);
    expect(settle(put(callerOf(transport, { apiPrefix: '/proxy/v3' })))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts).toMatchObject([{ path: '/proxy/v3/kv/put' }]);
    expect(transport.versionRequests).toMatchObject([{ path: '/proxy/version' }]);
  });

  test.each([
    ['the endpoint', ['http://a:1/etcd', 'http://a:1/other'], undefined],
    ['the option', [A, B], '/etcd/v3'],
    ['both', ['http://a:1/x', 'http://a:1/y'], '/etcd/v3'],
  ])('or the path in %s precedes plain HTTP paths, and the checks of an endpoint that was down', (_, endpoints, apiPrefix) => {
    const [first = ''] = endpoints;
    const away = ({ endpoint }: { readonly endpoint?: string }): boolean => endpoint === first;
    const transport = scriptedTransport((request) => (away(request) ? lost() : reply(200))(request));
    const caller = callerOf(transport, { endpoints, apiPrefix });
    const paths = (requests: readonly { readonly path: string }[]): string[] => [...new Set(requests.map(({ path }) => path))].toSorted();
    const under = (path: string): string[] =>
      [
        ...new Set(
          endpoints.map((endpoint) => new URL(endpoint).pathname.replace(/\/$/, '') + (apiPrefix === undefined ? '' : '/etcd') + path),
        ),
      ].toSorted();
    settle(...[0, 1, 2, 3].map((round) => after(round * 5_000, () => get(caller))));
    expect(paths(transport.versionRequests)).toEqual(under('/version'));
    expect(paths(transport.posts)).toEqual(under('/v3/kv/range'));
    expect(under('/health?exclude=NOSPACE')).toEqual(expect.arrayContaining(paths(transport.checks)));
    expect(transport.checks.length).toBeGreaterThan(0);
  });
});

/** A server that knows one prefix, and responds to others as a gateway does. */
const only =
  (prefix: () => string, unknown: Script): Script =>
  (request) =>
    (request.path.startsWith(`${prefix()}/`) ? reply(200) : unknown)(request);

describe('an upgrade of the cluster', () => {
  test.each<[string, Script]>([
    ['as plain text', reply(404, 'Not Found\n')],
    ['as gateway v2', reply(404, { code: 5, message: 'Not Found', details: [] })],
  ])('is detected by a missing path, %s, by reads and writes, on each endpoint', (_, unknown) => {
    let version = '3.3.25';
    const transport = scriptedTransport(
      only(() => (version === '3.3.25' ? '/v3beta' : '/v3'), unknown),
      (request) => says(version)(request),
    );
    const caller = callerOf(transport, { endpoints: [A, B] });
    expect(settle(get(caller), get(caller))).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
    version = '3.6.0';
    expect(settle(put(caller))).toMatchObject([{ outcome: 'ok' }]);
    expect(settle(get(caller))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.versionRequests).toHaveLength(4);
  });

  test('is detected after its connection was lost', () => {
    let version = '3.3.25';
    const transport = scriptedTransport(inTurn(reply(200), lost(), reply(200)), (request) => says(version)(request));
    const caller = callerOf(transport);
    settle(get(caller));
    version = '3.5.0';
    expect(settle(get(caller))).toMatchObject([{ outcome: 'ok' }]);
    expect(transport.posts.map(({ path }) => path)).toEqual(['/v3beta/kv/range', '/v3beta/kv/range', '/v3/kv/range']);
  });

  test('makes the client probe once more before it rejects a call as too new', () => {
    let version = '3.3.25';
    const transport = scriptedTransport(reply(200), (request) => says(version)(request));
    const caller = callerOf(transport);
    const learner = caller.unary(clusterRpcs.memberAdd, { peerUrls: ['http://c:1'], isLearner: true }).pipe(map(() => 'ok'));
    const status = caller.unary(authRpcs.status, {}).pipe(map(() => 'ok'));
    settle(get(caller));
    expect(settle(status)).toMatchObject([
      { outcome: 'UnsupportedServerVersion', error: { rpc: 'Auth.AuthStatus', required: '3.5', found: '3.3.25', endpoint: A } },
    ]);
    expect(transport.versionRequests).toHaveLength(2);
    expect(settle(learner)).toMatchObject([
      { outcome: 'UnsupportedServerVersion', error: { required: '3.4', message: expect.stringContaining('isLearner') } },
    ]);
    // Neither call was sent: an old server would take a learner for a full member.
    expect(transport.posts).toHaveLength(1);
    version = '3.5.0';
    expect(settle(learner, status)).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
  });

  test('is not searched for endlessly if no version has the path', () => {
    const transport = scriptedTransport(reply(404, 'Not Found'));
    expect(settle(put(callerOf(transport, { endpoints: [A, B] })))).toMatchObject([{ outcome: 'UnknownMethod' }]);
    expect([transport.posts.length, transport.versionRequests.length]).toEqual([2, 2]);
  });
});

test('an RPC that the server does not implement is sent twice, not forever', () => {
  const transport = scriptedTransport(refuse('unknown service etcdserverpb.KV', 12, 501));
  expect(settle(get(callerOf(transport)))).toMatchObject([{ outcome: 'UnknownMethod' }]);
  expect(transport.posts).toHaveLength(2);
});
