/**
 * A document written for tests in the form of etcd's, with all its features: references, a cycle, enums, a stream and
 * plain JSON.
 */
export const document = {
  swagger: '2.0',
  paths: {
    '/v3/tree/grow': {
      post: {
        parameters: [{ name: 'body', in: 'body', required: true, schema: { $ref: '#/definitions/treepbGrowRequest' } }],
        responses: { '200': { description: 'A successful response.', schema: { $ref: '#/definitions/treepbNode' } } },
      },
    },
    '/v3/tree/follow': {
      post: {
        parameters: [{ name: 'body', in: 'body', required: true, schema: { $ref: '#/definitions/treepbGrowRequest' } }],
        responses: {
          '200': {
            description: 'A successful response.(streaming responses)',
            schema: {
              type: 'object',
              properties: { result: { $ref: '#/definitions/treepbNode' }, error: { $ref: '#/definitions/protobufAny' } },
            },
          },
        },
      },
    },
    '/v3/tree/named': { get: {} },
  },
  definitions: {
    treepbKind: { type: 'string', enum: ['LEAF', 'BRANCH', 'TRUNK'], default: 'LEAF' },
    treepbGrowRequest: {
      type: 'object',
      properties: {
        name: { type: 'string', format: 'byte' },
        kind: { $ref: '#/definitions/treepbKind' },
        age: { type: 'string', format: 'int64' },
      },
    },
    treepbNode: {
      type: 'object',
      properties: {
        name: { type: 'string', format: 'byte' },
        kind: { $ref: '#/definitions/treepbKind' },
        age: { type: 'string', format: 'int64' },
        roots: { type: 'string', format: 'uint64' },
        height: { type: 'number', format: 'double' },
        leaves: { type: 'integer', format: 'int64' },
        alive: { type: 'boolean', format: 'boolean' },
        label: { type: 'string' },
        parent: { $ref: '#/definitions/treepbNode' },
        children: { type: 'array', items: { $ref: '#/definitions/treepbNode' } },
        extra: { $ref: '#/definitions/protobufAny' },
      },
    },
    protobufAny: { type: 'object', properties: undefined },
  },
};
