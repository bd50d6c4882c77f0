import { afterAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../../src/index.js';
import { refused, settings } from '../settings.js';
import { expectSilentAbout, failure } from '../transport/support.js';

describe('an endpoint of createClient', () => {
  test.each([
    ['http://a:2379', 'http://a:2379'],
    ['http://a:2379/', 'http://a:2379'],
    ['HTTP://A:2379', 'http://a:2379'],
    ['localhost:2379', 'http://localhost:2379'],
    ['10.0.0.7:2379', 'http://10.0.0.7:2379'],
    ['[::1]:2379', 'http://[::1]:2379'],
    ['https://a', 'https://a'],
    ['https://a:443', 'https://a'],
    ['http://[::1]:2379', 'http://[::1]:2379'],
    ['http://münchen.example:1', 'http://xn--mnchen-3ya.example:1'],
    ['https://proxy/etcd', 'https://proxy/etcd'],
    ['https://proxy/etcd/a-1/', 'https://proxy/etcd/a-1'],
    ['https://proxy/v3x', 'https://proxy/v3x'],
  ])('%s is normalised to %s', (given, origin) => {
    expect(settings({ endpoints: given }).endpoints).toEqual([origin]);
  });

  test('may be a URL, by itself or in a list with strings', () => {
    expect(settings({ endpoints: new URL('http://a:1') }).endpoints).toEqual(['http://a:1']);
    expect(settings({ endpoints: [new URL('http://a:1'), 'http://b:1'] }).endpoints).toEqual(['http://a:1', 'http://b:1']);
    expect(refused({ endpoints: [new URL('http://a:1/v3')] }).option).toBe('endpoints[0]');
    expectSilentAbout(refused({ endpoints: new URL('http://root:hunter2@a') }), 'hunter2');
  });

  test('that is repeated is used once', () => {
    expect(settings({ endpoints: ['http://a:1', 'http://b:1', 'http://A:1/'] }).endpoints).toEqual(['http://a:1', 'http://b:1']);
  });

  test.each<[string, unknown, string, RegExp]>([
    ['an empty list', [], 'endpoints', /empty/],
    ['null', null, 'endpoints', /a URL or a list of URLs, received null/],
    ['a number', 2379, 'endpoints', /received number/],
    ['an empty text', '', 'endpoints', /expected a URL such as http.*, received text that is not a URL/],
    ['no scheme and no port', 'localhost', 'endpoints', /text that is not a URL/],
    ['another scheme and a path', 'localhost:a/2379', 'endpoints', /neither http:\/\/ nor https:\/\//],
    ['only a host', ['a'], 'endpoints[0]', /received text that is not a URL/],
    ['another scheme', ['http://a:1', 'ftp://a:1'], 'endpoints[1]', /neither/],
    ['a port too high', ['http://a:99999'], 'endpoints[0]', /received text that is not a URL/],
    ['undefined in the list', ['http://a:1', undefined], 'endpoints[1]', /received nothing/],
    ['a hole in the list', [, 'http://a:1'], 'endpoints[0]', /received nothing/],
    ['the path of the gateway', 'http://a:1/v3', 'endpoints', /without \/v3 at its end.*apiPrefix/],
    ['the path of the gateway under another', 'http://a:1/etcd/v3beta/', 'endpoints', /without \/v3 at its end/],
    ['a path with a space', 'http://a:1/a b', 'endpoints', /letters, digits and \._~- in the path/],
    ['a path with an empty part', 'http://a:1/a//b', 'endpoints', /letters, digits and \._~- in the path/],
    ['a query', 'http://a:1?x=y', 'endpoints', /a query or a fragment/],
    ['several in one text', 'http://a:1,http://b:1', 'endpoints', /give several endpoints as a list: \['http/],
    ['several without ports', 'http://a,http://b', 'endpoints', /give several endpoints as a list/],
    ['several hosts', ['http://a,b:1'], 'endpoints[0]', /give several endpoints as a list/],
    ['not an address', new Map(), 'endpoints', /a URL or a list of URLs, received Map/],
    ['http beside https', ['https://a:1', 'https://b:1', 'http://c:1'], 'endpoints[2]', /only http or only https/],
  ])('that is invalid is named: %s', (_, endpoints, option, message) => {
    expect(refused({ endpoints })).toMatchObject({ option, message: expect.stringMatching(message) });
  });

  test.each([
    'http://root:hunter2@a:2379',
    'http://hunter2@a:2379',
    'ftp://root:hunter2@a',
    // To a URL parser this is a scheme and a path.
    'root:hunter2@a:2379',
    'http://root:hunter2@a:99999',
    '//root:hunter2@a',
    'http://a:1/?password=hunter2',
    'http://a:1/#hunter2',
    'http://a:1/hunter2%20',
    'http://a:1/hunter2/v3',
    'hunter2',
  ])('with a password in it is not quoted: %s', (endpoint) => {
    expectSilentAbout(refused({ endpoints: [endpoint] }), 'hunter2');
    expectSilentAbout(refused({ endpoints: endpoint }), 'hunter2');
  });
});

describe('setEndpoints', () => {
  const etcd = createClient({ endpoints: ['https://a:1', 'https://b:1'] });
  afterAll(() => etcd.close());

  test('checks its endpoints like those of createClient, with the same scheme', () => {
    const cases = [[[], 'endpoints', /empty/], ['ftp://c:1', 'endpoints', /neither/], [['https://c:1', 'http://d:1'], 'endpoints[1]', /only http or/], ['http://c:1', 'endpoints', /expected an https URL/]] as const; // prettier-ignore
    for (const [given, option, message] of cases) {
      expect(failure(() => etcd.setEndpoints(given))).toMatchObject({
        reason: 'InvalidOption',
        option,
        message: expect.stringMatching(message),
      });
    }
    expect(etcd.endpoints()).toEqual(['https://a:1', 'https://b:1']);
  });

  test('replaces the endpoints that the client uses', () => {
    etcd.setEndpoints('https://c:443/');
    expect(etcd.endpoints()).toEqual(['https://c']);
  });
});
