import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Decoder } from 'io-ts';
import { Empty, KeyValueCodec } from '../../../src/codec/common.js';
import {
  CompactionRequest,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RangeResponse,
  RequestOp,
  TxnRequest,
  TxnResponse,
} from '../../../src/codec/kv.js';
import {
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../../../src/codec/lease.js';
import { INVALID } from '../../../src/codec/descriptors.js';
import { hasReason } from '../../../src/errors/index.js';
import { failuresOf } from '../../../src/model/validator.js';
import { leaseId } from '../../../src/model/ids.js';
import { sent } from './sent.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** Returns the failures that a codec finds in a response, one per line. */
function failures(codec: Decoder<unknown, unknown>, input: unknown): string[] {
  const decoded = codec.decode(input);
  return decoded._tag === 'Left' ? failuresOf(decoded.left) : [];
}

function errorOf(write: () => unknown): unknown {
  try {
    write();
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

describe('a response', () => {
  it('has every field, omitted ones with their defaults', () => {
    expect(RangeResponse.read({})).toEqual({
      header: { clusterId: '0', memberId: '0', revision: 0, raftTerm: 0 },
      kvs: [],
      more: false,
      count: 0,
    });
    expect(LeaseKeepAliveResponse.read({ ID: '7' })).toMatchObject({ id: '7', ttl: 0 });
    expect(TxnResponse.read({ responses: [{}] })).toMatchObject({
      succeeded: false,
      responses: [{ responseRange: undefined, responseTxn: undefined }],
    });
  });

  it('treats null as omitted, in a message and in a key-value pair', () => {
    expect(RangeResponse.read({ header: null, kvs: null, count: null })).toEqual(RangeResponse.read({}));
    const nulls = { key: null, value: null, create_revision: null, mod_revision: null, version: null, lease: null };
    expect(KeyValueCodec.read(nulls)).toEqual(KeyValueCodec.absent());
  });

  it('uses our names of fields, and drops unknown ones', () => {
    const answer = LeaseTimeToLiveResponse.read({ ID: '9', TTL: '5', grantedTTL: '10', keys: [base64('a')], fresh: 'from 4.0' });
    expect(answer).toMatchObject({ id: '9', ttl: 5, grantedTtl: 10 });
    expect(answer).not.toHaveProperty('fresh');
  });

  it('decodes a nested txn', () => {
    const inner = { succeeded: true, responses: [{ response_put: { header: { revision: '7' } } }] };
    const answer = TxnResponse.read({ responses: [{ response_txn: inner }] });
    if (answer === INVALID) throw new Error('it was refused');
    expect(answer.responses[0]?.responseTxn?.succeeded).toBe(true);
    expect(answer.responses[0]?.responseTxn?.responses[0]?.responsePut?.header.revision).toBe(7);
  });

  describe('to a txn of puts', () => {
    const putAt = (revision: unknown): object => ({ response_put: { header: { revision } } });
    const read = (responses: readonly unknown[]) => {
      const answer = TxnResponse.read({ responses });
      if (answer === INVALID) throw new Error('it was refused');
      return answer.responses;
    };

    it('has one shared result for all puts that contain only the same revision, equal to a separate result', () => {
      const results = read([putAt('7'), putAt('7'), putAt('7')]);
      expect(results).toHaveLength(3);
      expect(new Set(results)).toEqual(new Set(read([putAt('7')])));
      expect(new Set(results).size).toBe(1);
    });

    it.each<[string, object]>([
      ['another revision', putAt('8')],
      ['what was there before', { response_put: { header: { revision: '7' }, prev_kv: { key: base64('a') } } }],
      ['who answered', { response_put: { header: { revision: '7', member_id: '5' } } }],
      ['nothing', { response_put: {} }],
      ['of another operation', { response_range: { header: { revision: '7' } } }],
      ['of two operations', { ...putAt('7'), response_range: {} }],
    ])('keeps a result that contains %s', (_, other) => {
      const [alone] = read([other]);
      for (const responses of [
        [putAt('7'), other],
        [other, putAt('7')],
      ])
        expect(read(responses)[responses.indexOf(other)]).toEqual(alone);
    });

    it('is rejected with the path of an invalid result', () => {
      for (const other of [5, putAt('x'), putAt({}), { response_put: 5 }]) {
        expect(TxnResponse.read({ responses: [putAt('7'), other] })).toBe(INVALID);
        expect(failures(TxnResponse, { responses: [putAt('7'), other] })[0]).toMatch(/^responses\.1/);
        expect(TxnResponse.read({ responses: [other, other] })).toBe(INVALID);
        expect(failures(TxnResponse, { responses: [other, other] })[0]).toMatch(/^responses\.0/);
      }
    });
  });

  it('is rejected with the path of each fault, and without values', () => {
    const secret = 'c2VjcmV0!';
    const answer = {
      header: { revision: '9007199254740993' },
      kvs: [{ key: base64('a') }, { key: base64('b'), value: secret, mod_revision: '1.5' }, 'hunter2'],
      more: 'hunter2',
    };
    const found = failures(RangeResponse, answer);
    expect(found.map((line) => line.replace(/:.*/, ''))).toEqual(['header.revision', 'kvs.1.mod_revision', 'kvs.1.value', 'kvs.2', 'more']);
    expect(found.join()).not.toMatch(/hunter2|c2VjcmV0|9007199254740993|1\.5/);
    expect(failures(TxnResponse, { responses: [{ response_txn: { responses: [{ response_put: 5 }] } }] })[0]).toMatch(
      /^responses\.0\.response_txn\.responses\.0\.response_put: expected PutResponse, received number/,
    );
  });

  it('is rejected if it is not an object', () => {
    for (const input of [null, undefined, 5, 'Not Found', []]) expect(failures(RangeResponse, input)).toHaveLength(1);
  });

  it('has failures exactly if it is rejected', () => {
    const value = fc.oneof(
      fc.constantFrom(null, 'QUJD', 'QUJ', '7', '-7', 7, 1.5, '99999999999999999999', true, {}, []),
      fc.jsonValue({ maxDepth: 1 }),
    );
    const names = ['key', 'value', 'create_revision', 'mod_revision', 'version', 'lease'];
    const kv = fc.oneof(fc.dictionary(fc.constantFrom(...names), value), value);
    const answer = fc.record({ header: value, kvs: fc.oneof(fc.array(kv), value), more: value, count: value }, { requiredKeys: [] });
    fc.assert(
      fc.property(answer, (json) => (RangeResponse.read(json) === INVALID) === failures(RangeResponse, json).length > 0),
      { numRuns: 500 },
    );
  });

  it('pollutes no prototype by keys such as __proto__ and constructor', () => {
    const poison =
      '{"__proto__":{"polluted":1,"more":true,"count":"9"},"constructor":{"prototype":{"polluted":1}},"toString":"x","hasOwnProperty":1}';
    const answer = RangeResponse.read(JSON.parse(poison));
    expect(answer).toEqual(RangeResponse.read({}));
    expect(Object.getPrototypeOf(answer)).toBe(Object.prototype);
    expect(KeyValueCodec.read(JSON.parse('{"__proto__":{"key":"QUJD","value":5}}'))).toEqual(KeyValueCodec.absent());
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('a request', () => {
  it("is encoded with etcd's names, without omitted fields", () => {
    const request = {
      key: 'a',
      rangeEnd: new Uint8Array([0]),
      limit: 5,
      sortOrder: 'DESCEND',
      keysOnly: true,
      revision: undefined,
    } as const;
    expect(sent(RangeRequest.write(request))).toEqual({
      key: base64('a'),
      range_end: 'AA==',
      limit: '5',
      sort_order: 'DESCEND',
      keys_only: true,
    });
    expect(sent(LeaseGrantRequest.write({ ttl: 10, id: leaseId(7) }))).toEqual({ TTL: '10', ID: '7' });
    expect(sent(Empty.write({}))).toEqual({});
  });

  it('is decoded as it was encoded', () => {
    const request = fc.record(
      { key: fc.string(), limit: fc.nat(), revision: fc.maxSafeInteger(), serializable: fc.boolean() },
      { requiredKeys: ['key'] },
    );
    fc.assert(
      fc.property(request, (given) => {
        const back = RangeRequest.read(sent(RangeRequest.write(given)));
        if (back === INVALID) throw new Error('it was refused');
        const { key, limit, revision, serializable } = back;
        expect({ key: text(key), limit, revision, serializable }).toEqual({
          limit: 0,
          revision: 0,
          serializable: false,
          ...given,
        });
      }),
    );
  });

  it('encodes a nested txn', () => {
    const request = TxnRequest.write({
      compare: [{ target: 'LEASE', result: 'NOT_EQUAL', key: 'k', lease: leaseId('9') }],
      success: [{ requestTxn: { success: [{ requestPut: { key: 'a', value: 'b' } }] } }],
    });
    expect(sent(request)).toEqual({
      compare: [{ target: 'LEASE', result: 'NOT_EQUAL', key: base64('k'), lease: '9' }],
      success: [{ request_txn: { success: [{ request_put: { key: base64('a'), value: base64('b') } }] } }],
    });
  });

  it('checks the fields of a nested txn', () => {
    const nested = RequestOp.fields.get('requestTxn')?.type.kind;
    expect(nested?.is === 'message' && [...nested.fields().keys()]).toEqual([...TxnRequest.fields.keys()]);
  });

  it('is rejected for an unknown enum name, with the field and the valid names', () => {
    const error = errorOf(() => RangeRequest.write({ key: 'a', sortOrder: 'SIDEWAYS' as never }));
    expect(hasReason(error, 'InvalidArgument')).toBe(true);
    expect(String(error)).toContain('RangeRequest.sortOrder: expected SortOrder (NONE, ASCEND, DESCEND)');
    expect(() => RangeRequest.write({ sortOrder: 1 as never })).toThrow('RangeRequest.sortOrder');
    expect(() => TxnRequest.write({ compare: [{ target: 'SIZE' as never }] })).toThrow('Compare.target');
  });

  it('is rejected for an unknown field, by its name', () => {
    const misspelt = { key: 'a', range_end: 'b' };
    expect(() => RangeRequest.write(misspelt)).toThrow('RangeRequest.range_end: expected one of the fields key, rangeEnd');
    expect(() => PutRequest.write(JSON.parse('{"__proto__":{"key":"a"}}') as object)).toThrow(
      'PutRequest.__proto__: expected one of the fields',
    );
    expect(() => PutRequest.write({ constructor: 5 } as object)).toThrow('PutRequest.constructor: expected one of the fields');
  });

  it('is rejected for a value of the wrong type, without showing it', () => {
    const error = errorOf(() => PutRequest.write({ key: 'a', value: { password: 'hunter2' } as never }));
    expect(String(error)).toContain('PutRequest.value: expected bytes (a string or Uint8Array), received object');
    expect(String(error)).not.toContain('hunter2');
    expect(() => RangeRequest.write({ limit: 2 ** 53 })).toThrow('RangeRequest.limit');
    expect(() => RangeRequest.write(null as never)).toThrow('RangeRequest: expected an object, received null');
    expect(() => TxnRequest.write({ success: {} as never })).toThrow('TxnRequest.success: expected RequestOp[]');
  });

  it('is rejected without a field that etcd would replace by a default, by its name', () => {
    expect(() => PutRequest.write({ key: 'a', value: undefined })).toThrow(
      'PutRequest.value: expected bytes (a string or Uint8Array), received nothing',
    );
    expect(() => PutRequest.write({ key: undefined, value: 'a' })).toThrow('PutRequest.key');
    expect(() => PutRequest.write({ key: 'a', ignoreValue: true })).toThrow('PutRequest.value');
    expect(() => TxnRequest.write({ success: [{ requestPut: { key: 'a', value: undefined } }] })).toThrow('PutRequest.value');
    expect(() => DeleteRangeRequest.write({})).toThrow('DeleteRangeRequest.key');
    expect(() => CompactionRequest.write({ revision: undefined })).toThrow('CompactionRequest.revision');
    expect(() => LeaseGrantRequest.write({ id: leaseId(7) })).toThrow('LeaseGrantRequest.ttl');
    for (const request of [LeaseRevokeRequest, LeaseKeepAliveRequest, LeaseTimeToLiveRequest])
      expect(() => request.write({ id: undefined })).toThrow(`${request.name}.id: expected`);
    expect(
      hasReason(
        errorOf(() => PutRequest.write({})),
        'InvalidArgument',
      ),
    ).toBe(true);
    expect(sent(PutRequest.write({ key: '', value: '' }))).toEqual({ key: '', value: '' });
  });
});
