import { describe, expect, test } from '@jest/globals';
import { concat, concatMap, defer, range, tap, timer } from 'rxjs';
import { watchRpcs } from '../../../../src/codec/watch.js';
import { EtcdError } from '../../../../src/errors/index.js';
import { TransportSelector, type StreamTransport, type TransportCriteria } from '../../../../src/transport/streams/transportSelector.js';
import { parseVersion } from '../../../../src/transport/endpoints/version.js';
import { A, B, callerOf, get, reply, scriptedTransport, runInVirtualTime } from '../../../support/fakes/fakeTransport.js';

const terms = (version: string, { tls = false, token = false } = {}): TransportCriteria => ({
  origin: tls ? 'https://a:1' : 'http://a:1',
  version: version === 'unknown' ? undefined : parseVersion(version),
  authenticated: token,
});

/** Returns all transports in the order in which they are tried, if each is rejected. */
function order(given: TransportCriteria): string {
  const choice = new TransportSelector('auto');
  const tried: StreamTransport[] = [];
  for (let next = choice.choose(given); !tried.includes(next); next = choice.choose(given)) {
    tried.push(next);
    choice.refused(given.origin, next);
  }
  return tried.join(' ');
}

const ANY = 'websocket chunked';
const FIRST = 'websocket http2 chunked';
const SECOND = 'http2 websocket chunked';

describe('the transports of a stream, in order', () => {
  test.each<[version: string, plain: string, withToken: string, tls: string, tlsWithToken: string]>([
    // WebSockets take no token before 3.5.32, 3.6.13 and 3.7, and no long messages before 3.4.16.
    ['3.3.25', ANY, 'chunked', SECOND, 'http2 chunked'],
    ['3.4.15', ANY, 'chunked', SECOND, 'http2 chunked'],
    ['3.4.16', ANY, 'chunked', FIRST, 'http2 chunked'],
    ['3.4.23', ANY, 'chunked', FIRST, 'http2 chunked'],
    ['3.5.31', ANY, 'chunked', FIRST, 'http2 chunked'],
    ['3.5.32', ANY, ANY, FIRST, SECOND],
    ['3.6.12', ANY, 'chunked', FIRST, 'http2 chunked'],
    ['3.6.13', ANY, ANY, FIRST, SECOND],
    ['3.7.0', ANY, ANY, FIRST, SECOND],
    ['unknown', ANY, ANY, FIRST, SECOND],
  ])('etcd %s: %s, with a token %s; over TLS %s, with a token %s', (version, plain, withToken, tls, tlsWithToken) => {
    expect({
      plain: order(terms(version)),
      withToken: order(terms(version, { token: true })),
      tls: order(terms(version, { tls: true })),
      tlsWithToken: order(terms(version, { tls: true, token: true })),
    }).toEqual({ plain, withToken, tls, tlsWithToken });
  });

  test.each<StreamTransport>(['websocket', 'http2', 'chunked'])('are only %s if that was chosen, rejected or not', (transport) => {
    const choice = new TransportSelector(transport);
    const given = terms('3.3.25', { tls: true, token: true });
    choice.refused(given.origin, transport);
    expect(choice.choose(given)).toBe(transport);
  });

  test('are those of each endpoint', () => {
    const choice = new TransportSelector('auto');
    choice.refused('http://a:1', 'websocket');
    expect(choice.choose(terms('3.5.16'))).toBe('chunked');
    expect(choice.choose({ ...terms('3.5.16'), origin: 'http://b:1' })).toBe('websocket');
  });

  test('end with chunked, even if that was rejected', () => {
    const choice = new TransportSelector('auto');
    const given = terms('3.5.16');
    choice.refused(given.origin, 'websocket');
    choice.refused(given.origin, 'chunked');
    expect(choice.choose(given)).toBe('chunked');
  });
});

describe('a WebSocket that is lost repeatedly', () => {
  /** Loses the stream at these times; returns the transports that are chosen then. */
  const lostAt = (given: TransportCriteria, times: readonly number[], transport: StreamTransport = 'websocket'): StreamTransport =>
    runInVirtualTime(({ flush }) => {
      const choice = new TransportSelector('auto');
      for (const time of times) timer(time).subscribe(() => choice.lost(given, transport));
      flush();
      return choice.choose(given);
    });

  test('is not used again on a server that may cut it for a long message', () => {
    expect(lostAt(terms('3.3.25'), [0, 1_000])).toBe('websocket');
    expect(lostAt(terms('3.3.25'), [0, 1_000, 59_000])).toBe('chunked');
    expect(lostAt(terms('3.4.15'), [0, 1_000, 59_000])).toBe('chunked');
  });

  test('is still used if that took more than a minute', () => {
    expect(lostAt(terms('3.3.25'), [0, 30_000, 60_001, 100_000])).toBe('websocket');
    expect(lostAt(terms('3.3.25'), [0, 30_000, 60_001, 80_000])).toBe('chunked');
  });

  test.each(['3.4.16', '3.5.16', 'unknown'])('is still used on etcd %s, which accepts messages of any length', (version) => {
    expect(lostAt(terms(version), [0, 1, 2, 3, 4])).toBe('websocket');
  });

  test('is still used if another transport was lost', () => {
    expect(lostAt(terms('3.3.25'), [0, 1, 2, 3], 'http2')).toBe('websocket');
  });
});

describe('a transport without responses', () => {
  const given = terms('3.5.16', { tls: true, token: true });
  const plain = terms('3.5.16');

  test.each<[StreamTransport, TransportCriteria, number, StreamTransport]>([
    ['http2', given, 2, 'chunked'],
    ['websocket', plain, 3, 'chunked'],
  ])('%s is given up after some streams, if calls succeeded meanwhile', (transport, at, most, next) => {
    const choice = new TransportSelector('auto');
    if (transport === 'chunked') throw new Error('each of its streams is a call');
    for (let failures = 1; failures <= most; failures += 1) {
      expect(choice.choose(at)).toBe(transport);
      choice.withoutResponse(at.origin, transport, failures);
    }
    expect(choice.choose(at)).toBe(next);
  });

  test('is not given up while calls fail too, nor after a stream with a response', () => {
    const choice = new TransportSelector('auto');
    for (let failures = 0; failures < 10; failures += 1) choice.withoutResponse(given.origin, 'http2', 7);
    expect(choice.choose(given)).toBe('http2');
    choice.responded(given.origin, 'http2');
    choice.withoutResponse(given.origin, 'http2', 8);
    expect(choice.choose(given)).toBe('http2');
  });

  test('is tried again a minute or two later, and given up for longer if it still fails', () => {
    const chosen = runInVirtualTime(({ flush }) => {
      const choice = new TransportSelector('auto');
      const seen: [number, StreamTransport][] = [];
      const look = (at: number): void => void timer(at).subscribe(() => seen.push([at, choice.choose(given)]));
      [1, 2].forEach((answers) => choice.withoutResponse(given.origin, 'http2', answers));
      [0, 59_000, 120_001].forEach(look);
      timer(120_002).subscribe(() => choice.withoutResponse(given.origin, 'http2', 3));
      [120_003, 239_000, 360_003].forEach(look);
      flush();
      return seen;
    });
    expect(chosen).toEqual([
      [0, 'chunked'],
      [59_000, 'chunked'],
      [120_001, 'http2'],
      [120_003, 'chunked'],
      [239_000, 'chunked'],
      [360_003, 'http2'],
    ]);
  });

  test('is tried again after it was rejected, but not if messages are too long for it', () => {
    const chosen = runInVirtualTime(({ flush }) => {
      const choice = new TransportSelector('auto');
      const seen: StreamTransport[] = [];
      choice.refused('http://a:1', 'websocket');
      choice.outgrown('http://b:1', 'websocket');
      timer(120_001).subscribe(() => {
        seen.push(choice.choose(plain), choice.choose({ ...plain, origin: 'http://b:1' }));
      });
      flush();
      return seen;
    });
    expect(chosen).toEqual(['websocket', 'chunked']);
  });
});

test('lost streams count against a transport of an endpoint that the client has again', () => {
  runInVirtualTime(({ flush }) => {
    const caller = callerOf(scriptedTransport(reply(200)));
    const used: StreamTransport[] = [];
    const failing = caller.channel(watchRpcs.watch).pipe(
      tap(({ transport, failed }) => {
        used.push(transport);
        failed(new EtcdError('Unreachable', 'scripted'));
      }),
    );
    const calls = range(0, 20).pipe(concatMap(() => get(caller)));
    const again = defer(() => {
      caller.setEndpoints([B]);
      caller.setEndpoints([A]);
      return range(0, 4).pipe(concatMap(() => failing));
    });
    concat(calls, failing, again).subscribe();
    flush();
    expect(used).toEqual(['websocket', 'websocket', 'websocket', 'websocket', 'chunked']);
  });
});
