import { describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { take } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { loadSwagger } from '../../src/swagger/index.js';
import { failureWith, only } from './support/outcomes.js';

const fixture = withEtcd();
const key = Buffer.from('call/a').toString('base64');
const value = Buffer.from('1').toString('base64');

describe('call', () => {
  test('sends any body to any path, and emits the response unchanged', async () => {
    const { etcd } = fixture;
    expect(await only(etcd.call('/kv/put', { key, value }))).toMatchObject({ header: { revision: expect.stringMatching(/^\d+$/) } });
    expect(await only(etcd.call('/kv/range', { key }, { safety: 'read' }))).toMatchObject({
      count: '1',
      kvs: [{ key, value, version: '1' }],
    });
  });

  test('sends text unchanged, as methods do', async () => {
    const { etcd } = fixture;
    const names = ['Größe', '漢字 😀', 'e\u0301', '"\\\u2028'];
    for (const name of names) await only(etcd.call('/auth/role/add', { name }));
    expect((await only(etcd.auth.roleList())).roles).toEqual(expect.arrayContaining(names));
    for (const name of names) await only(etcd.auth.roleDelete(name));
  });

  test('with a codec emits the decoded response', async () => {
    const counted = fixture.etcd.call('/kv/range', { key, count_only: true }, { codec: t.type({ count: t.string }), safety: 'read' });
    expect((await only(counted)).count).toBe('1');
  });

  test('with a codec reports a mismatch of the response without its value', async () => {
    const wrong = fixture.etcd.call('/kv/range', { key }, { codec: t.type({ kvs: t.array(t.type({ value: t.number })) }), safety: 'read' });
    const error = await failureWith('MalformedResponse', wrong);
    expect(error.message).toContain('kvs.0.value: expected number, received string');
    expect(error.message).not.toContain(value);
    expect(error.rpc).toBe('POST /kv/range');
  });

  test('with raw emits the status, the headers and the body unchanged', async () => {
    const raw = await only(fixture.etcd.call('/kv/range', { key }, { raw: true, safety: 'read' }));
    expect(raw.status).toBe(200);
    expect(raw.headers['content-type']).toBe('application/json');
    expect(JSON.parse(raw.body)).toMatchObject({ count: '1', kvs: [{ key, value }] });
  });

  test('with raw emits each object of a stream as a whole', async () => {
    const watched = fixture.etcd.call('/watch', { create_request: { key } }, { raw: true, streaming: true });
    expect(await only(watched.pipe(take(1)))).toMatchObject({ result: { created: true } });
  });

  test('with raw reports an error of the server like any other call', async () => {
    expect(await failureWith('EmptyKey', fixture.etcd.call('/kv/put', {}, { raw: true }))).toMatchObject({ code: 'InvalidArgument' });
  });

  test('sends its own headers to a real server', async () => {
    const options = { headers: { 'X-Request-Id': 'a1' }, requireLeader: true } as const;
    expect((await only(fixture.etcd.kv.get('call/a', options)))?.value).toBe('1');
    expect(await only(fixture.etcd.version({ headers: { 'x-request-id': 'a2' } }))).toHaveProperty('etcdserver');
  });

  test('emits the messages of a stream as they arrive', async () => {
    const { etcd } = fixture;
    const first = etcd
      .call('/watch', { create_request: { key } }, { streaming: true, codec: t.type({ created: t.boolean }) })
      .pipe(take(1));
    expect(await only(first)).toMatchObject({ created: true });
  });

  test('reports an error of the server like any other call', async () => {
    expect(await failureWith('EmptyKey', fixture.etcd.call('/kv/put', {}))).toMatchObject({
      code: 'InvalidArgument',
      rpc: 'POST /kv/put',
      endpoint: fixture.server.endpoint,
    });
  });

  test('to a path that the server does not know fails with UnknownMethod', async () => {
    expect(await failureWith('UnknownMethod', fixture.etcd.call('/kv/nothing', {}))).toMatchObject({ code: 'Unimplemented' });
  });

  test.each(['kv/range', '/kv/range?x=1', '/kv//range', 'http://elsewhere/kv/range', '/', ''])('rejects the path %j', async (path) => {
    await failureWith('InvalidArgument', fixture.etcd.call(path, {}));
  });
});

/** A part of etcd's API in a document written for this test, with etcd's paths and fields. */
const spec = loadSwagger({
  paths: {
    '/v3/kv/range': {
      post: {
        parameters: [{ in: 'body', schema: { $ref: '#/definitions/RangeRequest' } }],
        responses: { '200': { schema: { $ref: '#/definitions/RangeResponse' } } },
      },
    },
    '/v3/watch': {
      post: {
        parameters: [{ in: 'body', schema: { $ref: '#/definitions/WatchRequest' } }],
        responses: { '200': { schema: { properties: { result: { $ref: '#/definitions/WatchResponse' } } } } },
      },
    },
  },
  definitions: {
    SortOrder: { type: 'string', enum: ['NONE', 'ASCEND', 'DESCEND'] },
    KeyValue: {
      type: 'object',
      properties: {
        key: { type: 'string', format: 'byte' },
        value: { type: 'string', format: 'byte' },
        version: { type: 'string', format: 'int64' },
        lease: { type: 'string', format: 'int64' },
      },
    },
    RangeRequest: {
      type: 'object',
      properties: {
        key: { type: 'string', format: 'byte' },
        limit: { type: 'string', format: 'int64' },
        sort_order: { $ref: '#/definitions/SortOrder' },
      },
    },
    RangeResponse: {
      type: 'object',
      properties: {
        kvs: { type: 'array', items: { $ref: '#/definitions/KeyValue' } },
        more: { type: 'boolean' },
        count: { type: 'string', format: 'int64' },
      },
    },
    WatchCreateRequest: {
      type: 'object',
      properties: { key: { type: 'string', format: 'byte' }, start_revision: { type: 'string', format: 'int64' } },
    },
    WatchRequest: { type: 'object', properties: { create_request: { $ref: '#/definitions/WatchCreateRequest' } } },
    WatchResponse: {
      type: 'object',
      properties: { created: { type: 'boolean' }, watch_id: { type: 'string', format: 'int64' }, cancel_reason: { type: 'string' } },
    },
  },
});

describe('call with the codecs of a swagger document', () => {
  test('encodes the body, and decodes the response with its defaults', async () => {
    const { etcd } = fixture;
    await only(etcd.kv.put('call/swagger', 'Größe'));
    const { path, request, response } = spec.path('/kv/range');
    const body = { key: 'call/swagger', limit: 1, sort_order: 'DESCEND' };
    expect(await only(etcd.call(path, body, { request, codec: response, safety: 'read' }))).toEqual({
      kvs: [{ key: new Uint8Array(Buffer.from('call/swagger')), value: new Uint8Array(Buffer.from('Größe')), version: '1', lease: '0' }],
      more: false,
      count: '1',
    });
  });

  test('reads each result of a stream', async () => {
    const { path, request, response, streaming } = spec.path('/v3/watch');
    const first = fixture.etcd.call(path, { create_request: { key: 'call/swagger' } }, { request, codec: response, streaming });
    expect(await only(first.pipe(take(1)))).toEqual({ created: true, watch_id: '0', cancel_reason: '' });
  });

  test('rejects a body that does not match the document, and sends nothing', async () => {
    const { path, request, response } = spec.path('/kv/range');
    const error = await failureWith('InvalidArgument', fixture.etcd.call(path, { key: 'a', limt: 1 }, { request, codec: response }));
    expect(error.message).toContain('RangeRequest.limt: expected one of the fields key, limit, sort_order');
  });
});
