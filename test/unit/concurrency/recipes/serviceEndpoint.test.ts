import { describe, expect, test } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { endpointOf } from '../../../../src/concurrency/recipes/serviceEndpoint.js';
import { endpointValue } from '../../../../src/concurrency/recipes/serviceRegistry.js';
import { toBase64 } from '../../../../src/model/bytes.js';
import { KeyValue } from '../../../../src/model/keyValue.js';
import { rejected } from '../../watch/support.js';

const stored = (value: string): KeyValue =>
  new KeyValue({ key64: toBase64('svc/a'), value64: toBase64(value), createRevision: 1, modRevision: 1, version: 1, lease: undefined });

describe('an endpoint', () => {
  test('is encoded as the Go client encodes it', () => {
    expect(endpointValue({ addr: 'a:1' })).toBe('{"Op":0,"Addr":"a:1","Metadata":null}');
    expect(endpointValue({ addr: 'a:1', metadata: { w: [1] } })).toBe('{"Op":0,"Addr":"a:1","Metadata":{"w":[1]}}');
    expect(rejected(() => endpointValue({ addr: '' }))).toMatchObject({ reason: 'InvalidArgument' });
  });

  test.each([
    ['{"Op":0,"Addr":"a:1","Metadata":null}', null],
    ['{"Addr":"a:1"}', null],
    ['{"Op":0,"Addr":"a:1","Metadata":"m","More":1}', 'm'],
  ])('is decoded from %s', (value, metadata) => {
    expect(endpointOf('svc/', stored(value))).toEqual(E.right({ id: 'a', key: 'svc/a', addr: 'a:1', metadata }));
  });

  test.each(['', '[]', '{"Op":0}', '{"Addr":1}'])('is not decoded from %s', (value) => {
    expect(endpointOf('svc/', stored(value))).toMatchObject(E.left({ reason: 'InvalidValue', key: 'svc/a' }));
  });
});
