import { describe, expect, it } from '@jest/globals';
import { failuresOf } from '../../../src/model/validator.js';
import { loadSwagger, type SwaggerObject } from '../../../src/swagger/index.js';
import { document } from './document.js';

const spec = loadSwagger(document);
const node = spec.path('/tree/grow').response;

const decoded = (json: unknown): SwaggerObject => {
  const read = node.decode(json);
  if (read._tag === 'Left') throw new Error(failuresOf(read.left).join('; '));
  return read.right;
};

const NOTHING = {
  name: new Uint8Array(0),
  kind: 'LEAF',
  age: '0',
  roots: '0',
  height: 0,
  leaves: 0,
  alive: false,
  label: '',
  parent: undefined,
  children: [],
  extra: undefined,
};

describe('loadSwagger', () => {
  it('lists the enums, the paths and the definitions', () => {
    expect([...spec.enums]).toEqual([['treepbKind', ['LEAF', 'BRANCH', 'TRUNK']]]);
    expect([...spec.paths.keys()]).toEqual(['/tree/grow', '/tree/follow']);
    expect([...spec.definitions.keys()]).toEqual(['treepbKind', 'treepbGrowRequest', 'treepbNode', 'protobufAny']);
  });

  it('resolves a message that contains itself to the same object', () => {
    const type = spec.definitions.get('treepbNode');
    if (type?.is !== 'message') throw new Error('no message');
    expect(type.fields.get('parent')).toBe(type);
    expect(type.fields.get('children')).toEqual({ is: 'array', of: type });
    expect(spec.path('/tree/grow').responseType).toBe(type);
  });

  it('finds a path with the prefix of a version, and tells whether it is a stream', () => {
    expect(spec.path('/v3/tree/follow')).toBe(spec.path('/tree/follow'));
    expect([spec.path('/tree/grow').streaming, spec.path('/tree/follow').streaming]).toEqual([false, true]);
    expect(spec.path('/tree/follow').responseType).toBe(spec.definitions.get('treepbNode'));
  });

  it('fills in omitted defaults', () => expect(decoded({})).toEqual(NOTHING));

  it('reads 64-bit integers from text or numbers, enums from names or numbers, and bytes from base64', () => {
    expect(decoded({ age: 7, roots: '18446744073709551615', kind: 2, name: 'b2Fr' })).toEqual({
      ...NOTHING,
      age: '7',
      roots: '18446744073709551615',
      kind: 'TRUNK',
      name: new Uint8Array(Buffer.from('oak')),
    });
    expect(decoded({ age: '-9223372036854775808', kind: 'BRANCH', extra: { '@type': 'x' } })).toMatchObject({
      age: '-9223372036854775808',
      kind: 'BRANCH',
      extra: { '@type': 'x' },
    });
  });

  it.each([
    [{ age: '9223372036854775808' }, 'age: expected int64, received string'],
    [{ age: 2 ** 53 }, 'age: expected int64, received number'],
    [{ roots: -1 }, 'roots: expected uint64, received number'],
    [{ kind: 3 }, 'kind: expected treepbKind (LEAF, BRANCH, TRUNK), received number'],
    [{ name: '?' }, 'name: expected bytes (a string or Uint8Array), received string'],
    [{ children: [{}, { parent: { alive: 1 } }] }, 'children.1.parent.alive: expected bool, received number'],
  ])('reports the path of an invalid part of %j', (json, failure) => {
    const read = node.decode(json);
    expect(read._tag === 'Left' ? failuresOf(read.left) : []).toEqual([failure]);
  });

  it('encodes a body with bytes as text, and integers as numbers, text or bigints', () => {
    const { request } = spec.path('/tree/grow');
    expect(request.encode({ name: 'Größe', kind: 'TRUNK', age: 7 })).toEqual({ name: 'R3LDtsOfZQ==', kind: 'TRUNK', age: '7' });
    expect(request.encode({ name: new Uint8Array([255]), kind: 1, age: -(2n ** 63n) })).toEqual({
      name: '/w==',
      kind: 'BRANCH',
      age: '-9223372036854775808',
    });
    expect(request.encode({})).toEqual({});
  });

  it.each([
    [{ nme: 'a' }, 'treepbGrowRequest.nme: expected one of the fields name, kind, age, received an unknown field'],
    [{ age: 1.5 }, 'treepbGrowRequest.age: expected int64, received number'],
    [{ kind: 'ROOT' }, 'treepbGrowRequest.kind: expected treepbKind (LEAF, BRANCH, TRUNK), received string'],
  ])('rejects the body %j', (body, message) => {
    expect(() => spec.path('/tree/grow').request.encode(body)).toThrow(expect.objectContaining({ reason: 'InvalidArgument', message }));
  });

  it('decodes a message of a stream', () => {
    const { streamMessage } = spec.path('/tree/follow');
    expect(streamMessage.decode({ result: { label: 'a' } })).toMatchObject({
      right: { result: { label: 'a', age: '0' }, error: undefined },
    });
    expect(streamMessage.decode({ error: { grpc_code: 5 } })).toMatchObject({ right: { result: undefined, error: { grpc_code: 5 } } });
  });

  it('rejects a path and a definition that the document lacks', () => {
    expect(() => spec.path('/tree/fell')).toThrow('path of a swagger document: expected one of 2 names, received "/tree/fell"');
    expect(() => spec.codec('treepbLeaf')).toThrow('definition of a swagger document: expected one of 4 names, received "treepbLeaf"');
    expect(spec.codec('treepbKind').decode(1)).toMatchObject({ right: 'BRANCH' });
  });
});

describe('a broken document', () => {
  const { paths, definitions } = document;
  const grow = paths['/v3/tree/grow'].post;
  const withDefinition = (definition: unknown): unknown => ({ paths, definitions: { ...definitions, treepbGrowRequest: definition } });
  const withPost = (post: unknown): unknown => ({ paths: { '/v3/a': { post } }, definitions });

  it.each<[string, unknown, string]>([
    ['text', 'swagger', 'expected'],
    ['no paths', { definitions }, 'paths: expected'],
    ['no definitions', { paths }, 'definitions: expected'],
    [
      'a type that is no text',
      withDefinition({ properties: { name: { type: 7 } } }),
      'definitions.treepbGrowRequest.properties.name.type: expected string, received number',
    ],
    [
      'an unknown type',
      withDefinition({ properties: { name: { type: 'tree' } } }),
      'definitions.treepbGrowRequest.properties.name.type: expected string, integer, number, boolean, array or object, received "tree"',
    ],
    [
      'a reference to nothing',
      withDefinition({ properties: { list: { type: 'array', items: { $ref: '#/definitions/treepbLeaf' } } } }),
      'definitions.treepbGrowRequest.properties.list.items.$ref: expected the name of a definition, received "treepbLeaf"',
    ],
    [
      'a reference to another file',
      withDefinition({ properties: { name: { $ref: 'other.json#/a' } } }),
      'definitions.treepbGrowRequest.properties.name.$ref: expected #/definitions/<name>, received "other.json#/a"',
    ],
    [
      'a definition that is a reference',
      withDefinition({ $ref: '#/definitions/treepbNode' }),
      'definitions.treepbGrowRequest.$ref: expected a type',
    ],
    [
      'a list of nothing',
      withDefinition({ properties: { l: { type: 'array' } } }),
      'definitions.treepbGrowRequest.properties.l.items: expected',
    ],
    [
      'an enum without values',
      withDefinition({ type: 'string', enum: [] }),
      'definitions.treepbGrowRequest.enum: expected at least one value',
    ],
    ['a name with a quote', withDefinition({ properties: { 'a"b': {} } }), 'definitions.treepbGrowRequest.properties.a"b: expected'],
    ['no body', withPost({ ...grow, parameters: [] }), 'paths./v3/a.post.parameters: expected a body with a schema, received no body'],
    ['no response', withPost({ ...grow, responses: {} }), 'paths./v3/a.post.responses.200.schema: expected a schema, received nothing'],
    [
      'a response that is no message',
      withPost({ ...grow, responses: { '200': { schema: { type: 'string' } } } }),
      'paths./v3/a.post.responses.200.schema: expected a message, received string',
    ],
  ])('is rejected with the path of the fault: %s', (_, broken, place) => {
    expect(() => loadSwagger(broken)).toThrow(
      expect.objectContaining({ reason: 'InvalidArgument', message: expect.stringContaining(`swagger document, ${place}`) }),
    );
  });
});
