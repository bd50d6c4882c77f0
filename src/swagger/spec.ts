import type * as t from 'io-ts';
import type { Json } from '../codec/descriptors.js';
import { EtcdError } from '../errors/index.js';
import {
  Codecs,
  typeOf,
  type SwaggerObject,
  type SwaggerValue,
  invalidDocument,
  type Operation,
  readDocument,
  type Schema,
  type SwaggerEnum,
  type SwaggerMessage,
  type SwaggerType,
  TypeResolver,
} from './types.js';

/** An RPC of a swagger document. */
export interface SwaggerPath {
  /** The path for `call`, such as `/kv/range`. It does not have the prefix of the version. */
  readonly path: string;
  /** Whether the RPC responds with a stream. */
  readonly streaming: boolean;
  /** The message of the request. */
  readonly requestType: SwaggerMessage;
  /** The message of the response. For a stream it is the message of each `result`. */
  readonly responseType: SwaggerMessage;
  /** Checks and encodes a body. */
  readonly request: t.Type<SwaggerObject, Json>;
  /** Decodes a response. For a stream it decodes each `result`. */
  readonly response: t.Type<SwaggerObject, Json>;
  /** Decodes a whole message of a stream, `{ result }` or `{ error }`. */
  readonly streamMessage: t.Type<SwaggerObject, Json>;
}

/** A swagger document with all its references resolved. */
export interface SwaggerSpec {
  /** The types by their names in the document, such as `mvccpbKeyValue`. */
  readonly definitions: ReadonlyMap<string, SwaggerType>;
  /** The values of each enum, by the name of its definition. */
  readonly enums: ReadonlyMap<string, readonly string[]>;
  /** The RPCs by their paths without the prefix of the version, such as `/kv/range`. */
  readonly paths: ReadonlyMap<string, SwaggerPath>;
  /**
   * Returns the RPC at a path, with or without the prefix of the version.
   *
   * @throws EtcdError `InvalidArgument` if the document has no such RPC
   */
  path(path: string): SwaggerPath;
  /**
   * Returns the codec of a definition. It decodes a missing field to its default, and a missing message to `undefined`.
   *
   * @throws EtcdError `InvalidArgument` if the document has no such definition
   */
  codec(definition: string): t.Type<SwaggerValue, Json>;
}

/**
 * Reads a swagger document of etcd, such as `rpc.swagger.json`, and derives io-ts codecs from it. A codec keeps etcd's
 * names of fields. It reads a 64-bit integer from text or a number, an enum by name or number, and bytes from base64.
 * Omitted fields decode to their defaults.
 *
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { loadSwagger } from 'rxetcd/swagger';
 *
 * const spec = loadSwagger(JSON.parse(readFileSync('rpc.swagger.json', 'utf8')));
 * const { path, request, response } = spec.path('/kv/range');
 * const found = etcd.call(path, { key: 'app/color' }, { request, codec: response, safety: 'read' });
 * found.subscribe(({ kvs }) => console.log(kvs));
 * ```
 *
 * @param document the parsed JSON of the document
 * @throws EtcdError `InvalidArgument` that names the invalid place, such as `definitions.mvccpbKeyValue.properties.key`
 */
export function loadSwagger(document: unknown): SwaggerSpec {
  const { paths: operations, definitions: schemas, 'x-stream-definitions': streams = {} } = readDocument(document);
  const resolver = new TypeResolver(schemas);
  const codecs = new Codecs();
  const resolved: Resolved = { resolver, codecs, streams };
  const definitions = resolver.all();
  const paths = new Map<string, SwaggerPath>();
  for (const [address, { post }] of Object.entries(operations)) {
    if (post === undefined) continue;
    const path = withoutPrefix(address);
    paths.set(path, pathOf(path, `paths.${address}.post`, post, resolved));
  }
  return {
    definitions,
    enums: new Map(
      [...definitions].filter((entry): entry is [string, SwaggerEnum] => isEnum(entry[1])).map(([name, { values }]) => [name, values]),
    ),
    paths,
    path: (path) => found(paths, 'path', withoutPrefix(path)),
    codec: (definition) => typeOf(codecs.of(found(definitions, 'definition', definition))),
  };
}

/** The data for resolving the schemas of a document. */
interface Resolved {
  readonly resolver: TypeResolver;
  readonly codecs: Codecs;
  /** The messages of streams by their names. */
  readonly streams: Readonly<Record<string, Schema>>;
}

const STREAM_REF = '#/x-stream-definitions/';

const isEnum = (type: SwaggerType): type is SwaggerEnum => type.is === 'enum';

const withoutPrefix = (path: string): string => path.replace(/^\/v3(alpha|beta)?(?=\/)/, '');

function found<T>(among: ReadonlyMap<string, T>, what: string, name: string): T {
  const value = among.get(name);
  if (value !== undefined) return value;
  throw new EtcdError(
    'InvalidArgument',
    `${what} of a swagger document: expected one of ${among.size} names, received ${JSON.stringify(name)}`,
  );
}

/** Reads the RPC of a path. */
function pathOf(path: string, place: string, operation: Operation, { resolver, codecs, streams }: Resolved): SwaggerPath {
  const message = (schema: Schema, at: string): SwaggerMessage => {
    const type = resolver.resolve(schema, at);
    if (type.is !== 'message') throw invalidDocument(at, `expected a message, received ${type.is}`);
    return type;
  };
  const parameters = operation.parameters ?? [];
  const body = parameters.findIndex((parameter) => parameter.in === 'body');
  const given = parameters[body]?.schema;
  if (given === undefined) throw invalidDocument(`${place}.parameters`, 'expected a body with a schema, received no body');
  const response = operation.responses?.['200'];
  const at = `${place}.responses.200.schema`;
  if (response?.schema === undefined) throw invalidDocument(at, 'expected a schema, received nothing');
  const schema = streams[response.schema.$ref?.slice(STREAM_REF.length) ?? ''] ?? response.schema;
  // Some documents describe the messages of a stream as `{ result, error }`, and others describe only the result.
  const result = schema.properties?.['result'];
  const requestType = message(given, `${place}.parameters.${body}.schema`);
  const responseType = result === undefined ? message(schema, at) : message(result, `${at}.properties.result`);
  const envelope: SwaggerMessage = {
    is: 'message',
    name: `a message of the stream ${path}`,
    fields: new Map<string, SwaggerType>([
      ['result', responseType],
      ['error', { is: 'json' }],
    ]),
  };
  return {
    path,
    streaming: result !== undefined || response.description?.includes('(streaming responses)') === true,
    requestType,
    responseType,
    request: typeOf(codecs.ofMessage(requestType)),
    response: typeOf(codecs.ofMessage(responseType)),
    streamMessage: typeOf(codecs.ofMessage(envelope)),
  };
}
