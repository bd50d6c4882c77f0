import { describe, expect, test } from '@jest/globals';
import { timer } from 'rxjs';
import { CarrierChoice, type Carrier, type Terms } from '../../../../src/transport/streams/carrierSelector.js';
import { parseVersion } from '../../../../src/transport/endpoints/version.js';
import { virtually } from '../../../support/fakes/fakeTransport.js';

const terms = (version: string, { tls = false, token = false } = {}): Terms => ({
  origin: tls ? 'https://a:1' : 'http://a:1',
  version: version === 'unknown' ? undefined : parseVersion(version),
  authenticated: token,
});

/** All that would be tried, in turn: each is refused. */
function order(given: Terms): string {
  const choice = new CarrierChoice('auto');
  const tried: Carrier[] = [];
  for (let next = choice.choose(given); !tried.includes(next); next = choice.choose(given)) {
    tried.push(next);
    choice.refused(given.origin, next);
  }
  return tried.join(' ');
}

const ANY = 'websocket chunked';
const FIRST = 'websocket http2 chunked';
const SECOND = 'http2 websocket chunked';

describe('the carriers that are tried, in turn', () => {
  test.each<[version: string, plain: string, withToken: string, tls: string, tlsWithToken: string]>([
    // A WebSocket takes no token before 3.5.32, 3.6.13 and 3.7, and no long message before 3.4.16.
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

  test.each<Carrier>(['websocket', 'http2', 'chunked'])('are none but %s where that was asked for, refused or not', (carrier) => {
    const choice = new CarrierChoice(carrier);
    const given = terms('3.3.25', { tls: true, token: true });
    choice.refused(given.origin, carrier);
    expect(choice.choose(given)).toBe(carrier);
  });

  test('are those of each endpoint by itself', () => {
    const choice = new CarrierChoice('auto');
    choice.refused('http://a:1', 'websocket');
    expect(choice.choose(terms('3.5.16'))).toBe('chunked');
    expect(choice.choose({ ...terms('3.5.16'), origin: 'http://b:1' })).toBe('websocket');
  });

  test('are chunked at the last, even where that was refused', () => {
    const choice = new CarrierChoice('auto');
    const given = terms('3.5.16');
    choice.refused(given.origin, 'websocket');
    choice.refused(given.origin, 'chunked');
    expect(choice.choose(given)).toBe('chunked');
  });
});

describe('a WebSocket that is lost again and again', () => {
  /** Loses it at these times; says what is chosen then. */
  const lostAt = (given: Terms, times: readonly number[], carrier: Carrier = 'websocket'): Carrier =>
    virtually(({ flush }) => {
      const choice = new CarrierChoice('auto');
      for (const time of times) timer(time).subscribe(() => choice.lost(given, carrier));
      flush();
      return choice.choose(given);
    });

  test('is not used again on a server that may cut it for a long message', () => {
    expect(lostAt(terms('3.3.25'), [0, 1_000])).toBe('websocket');
    expect(lostAt(terms('3.3.25'), [0, 1_000, 59_000])).toBe('chunked');
    expect(lostAt(terms('3.4.15'), [0, 1_000, 59_000])).toBe('chunked');
  });

  test('is no suspect where that took more than a minute', () => {
    expect(lostAt(terms('3.3.25'), [0, 30_000, 60_001, 100_000])).toBe('websocket');
    expect(lostAt(terms('3.3.25'), [0, 30_000, 60_001, 80_000])).toBe('chunked');
  });

  test.each(['3.4.16', '3.5.16', 'unknown'])('is no suspect on etcd %s, which takes messages of any length', (version) => {
    expect(lostAt(terms(version), [0, 1, 2, 3, 4])).toBe('websocket');
  });

  test('is no suspect where another carrier was lost', () => {
    expect(lostAt(terms('3.3.25'), [0, 1, 2, 3], 'http2')).toBe('websocket');
  });
});
