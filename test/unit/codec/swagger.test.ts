import { describe, expect, it } from '@jest/globals';
import * as t from 'io-ts';
import { NEWEST_SINCE } from '../../../src/codec/message.js';
import { WireType, type Field, type WireKind } from '../../../src/codec/descriptors.js';
import { ALIASES, byNumber, OTHER_KIND, OTHER_RPC, present, readSwaggerFiles, RPCS, withoutPrefix } from './swaggerFiles.js';

/**
 * Compares every codec and every RPC with etcd's own description of its gateway, version by version: both have the same
 * messages and fields, and `since` is the first version that has them.
 */

const Schema: t.Type<Schema> = t.recursion('Schema', () =>
  t.intersection([
    t.type({}),
    t.partial({
      type: t.string,
      format: t.string,
      enum: t.array(t.string),
      items: Schema,
      $ref: t.string,
      properties: t.record(t.string, Schema),
    }),
  ]),
);
interface Schema {
  type?: string;
  format?: string;
  enum?: string[];
  items?: Schema;
  $ref?: string;
  properties?: Record<string, Schema>;
}
const Swagger = t.type({
  paths: t.record(
    t.string,
    t.type({
      post: t.type({ parameters: t.array(t.type({ schema: Schema })), responses: t.record(t.string, t.type({ schema: Schema })) }),
    }),
  ),
  definitions: t.record(t.string, Schema),
});
type Swagger = t.TypeOf<typeof Swagger>;

interface Version {
  readonly minor: string;
  readonly files: readonly Swagger[];
}

const suite = present ? describe : describe.skip;

const readVersions = (): Version[] => readSwaggerFiles().map(({ minor, files }) => ({ minor, files: files.map(parse) }));

function parse(json: unknown): Swagger {
  const decoded = Swagger.decode(json);
  if (decoded._tag === 'Left') throw new Error('not a swagger file that this test can read');
  return decoded.right;
}

const refName = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);
const shortName = (definition: string): string => definition.replace(/^(etcdserverpb|v3lockpb|v3electionpb|mvccpb|authpb)/, '');
/** Returns the definition of a message of a stream by name. Gateways describe it bare, by a reference, or as `{ result, error }`. */
const answerOf = (response: { schema: Schema } | undefined): string =>
  refName(response?.schema.properties?.['result']?.$ref ?? response?.schema.$ref ?? '');

/**
 * A field of ours: its kind in etcd, by every definition for which its codec is used, and the versions that have it.
 */
interface Seen {
  readonly names: Set<string>;
  readonly versions: Set<string>;
}

type Message = Extract<WireKind, { is: 'message' }>;

/** Describes the difference between our kind and etcd's; undefined if there is none. */
function differs(kind: WireKind, schema: Schema, swagger: Swagger, latest: boolean): string | undefined {
  const target = schema.$ref === undefined ? undefined : swagger.definitions[refName(schema.$ref)];
  if (schema.$ref !== undefined && target === undefined) return `refers to ${schema.$ref}, which the file has not`;
  if (target?.enum !== undefined) {
    if (kind.is !== 'enum') return `is an enum, not ${kind.is}`;
    const theirs = target.enum;
    // Newer values are appended: an older version has the beginning of our list.
    if (theirs.some((value, index) => kind.values[index] !== value))
      return `is one of ${theirs.join(', ')}, not of ${kind.values.join(', ')}`;
    return latest && theirs.length !== kind.values.length ? `has no ${kind.values.slice(theirs.length).join(', ')}` : undefined;
  }
  if (target !== undefined) return kind.is === 'message' ? undefined : `is a message, not ${kind.is}`;
  if (schema.type === 'array') {
    if (kind.is !== 'array') return `is a list, not ${kind.is}`;
    return schema.items === undefined ? 'is a list of nothing' : differs(kind.of, schema.items, swagger, latest);
  }
  const theirs = scalar(schema);
  return kind.is === theirs ? undefined : `is ${theirs}, not ${kind.is}`;
}

function scalar({ type, format }: Schema): string {
  switch (`${type ?? ''}/${format ?? ''}`) {
    case 'string/':
      return 'string';
    case 'string/int64':
      return 'int64';
    case 'string/uint64':
      return 'uint64';
    case 'string/byte':
      return 'bytes';
    // uint32 is described as an integer of format int64, but sent as a number.
    case 'integer/int64':
    case 'integer/int32':
      return 'int32';
    case 'boolean/':
    case 'boolean/boolean':
      return 'bool';
    default:
      return `${type ?? 'no type'} (${format ?? 'no format'})`;
  }
}

const messageOf = (kind: WireKind): Message | undefined =>
  kind.is === 'array' ? messageOf(kind.of) : kind.is === 'message' ? kind : undefined;

function messageBehind(codec: unknown, path: string): Message {
  const found = codec instanceof WireType ? messageOf(codec.kind) : undefined;
  if (found === undefined) throw new Error(`${path} has a codec that is no message`);
  return found;
}

/** Compares everything; returns the differences, one per line, and the compared names. */
function compare(versions: readonly Version[]): { problems: string[]; definitions: Set<string>; paths: Set<string> } {
  const problems = new Set<string>();
  const definitions = new Set<string>();
  const fieldsSeen = new Map<Field, Seen>();
  /** Maps each name to the first version that has it. */
  const pathsSeen = new Map<string, string>();
  const oldest = versions[0]?.minor;
  const latest = versions[versions.length - 1]?.minor;

  for (const { minor, files } of versions) {
    for (const swagger of files) {
      const walked = new Set<string>();

      const compareMessage = (definition: string, { name: codec, fields }: Message): void => {
        // A definition may have several codecs, and a codec several definitions.
        if (walked.has(`${definition} ${codec}`)) return;
        walked.add(`${definition} ${codec}`);
        definitions.add(definition);
        const schema = swagger.definitions[definition];
        if (schema === undefined) problems.add(`${minor}: there is no definition ${definition} for ${codec}`);
        const properties = schema?.properties ?? {};
        const ours = new Map([...fields().values()].map((field) => [field.wire, field]));
        for (const [wire, field] of ours) seenOf(field).names.add(`${shortName(definition)}.${wire}`);
        for (const [wire, property] of Object.entries(properties))
          compareField(`${shortName(definition)}.${wire}`, property, ours.get(wire));
      };

      const compareField = (name: string, property: Schema, field: Field | undefined): void => {
        if (field === undefined) {
          problems.add(`${minor}: ${name} is missing in our codec`);
          return;
        }
        const difference = differs(field.type.kind, property, swagger, minor === latest);
        if (OTHER_KIND[name]?.includes(minor) === true) {
          if (difference === undefined) problems.add(`${minor}: ${name} is no exception any more`);
          return;
        }
        if (difference !== undefined) problems.add(`${minor}: ${name} ${difference}`);
        seenOf(field).versions.add(minor);
        const inner = messageOf(field.type.kind);
        const ref = property.$ref ?? property.items?.$ref;
        if (inner !== undefined && ref !== undefined) compareMessage(refName(ref), inner);
      };

      const seenOf = (field: Field): Seen => {
        const seen = fieldsSeen.get(field) ?? { names: new Set(), versions: new Set() };
        fieldsSeen.set(field, seen);
        return seen;
      };

      for (const [address, { post }] of Object.entries(swagger.paths)) {
        const path = withoutPrefix(address);
        if (!pathsSeen.has(path)) pathsSeen.set(path, minor);
        const other = OTHER_RPC[path];
        const meant = other?.in.includes(minor) === true ? other.is : (ALIASES[path] ?? path);
        const rpcs = RPCS.filter((rpc) => rpc.path === meant);
        if (rpcs.length === 0) problems.add(`${minor}: no RPC of ours has the path ${path}`);
        for (const { request, response } of rpcs) {
          compareMessage(refName(post.parameters[0]?.schema.$ref ?? ''), messageBehind(request, path));
          compareMessage(answerOf(post.responses['200']), messageBehind(response, path));
        }
      }
    }
  }

  const sinceOf = (first: string): string | undefined => (first === oldest ? undefined : first);
  for (const [{ since }, { names, versions: having }] of fieldsSeen) {
    const name = [...names].join(' and ');
    const first = [...having].sort(byNumber)[0];
    if (first === undefined) problems.add(`${name}: no etcd has this field`);
    else if (since !== sinceOf(first)) problems.add(`${name}: exists since ${first}, ours says ${since ?? 'always'}`);
  }
  for (const { name, path, since } of RPCS) {
    const first = pathsSeen.get(path);
    if (first === undefined) problems.add(`${name}: no etcd has the path ${path}`);
    else if (since !== sinceOf(first)) problems.add(`${name}: ${path} exists since ${first}, ours says ${since ?? 'always'}`);
  }
  for (const alias of Object.keys(ALIASES)) if (!pathsSeen.has(alias)) problems.add(`no etcd has the alias ${alias}`);
  return { problems: [...problems], definitions, paths: new Set(pathsSeen.keys()) };
}

suite("the codecs against etcd's swagger files", () => {
  const versions = readVersions();

  it('the codecs have the same fields, kinds, paths and first versions as the swagger documents', () => {
    expect(compare(versions).problems).toEqual([]);
  });

  it('the comparison covers every path and every message of every version', () => {
    const { definitions, paths } = compare(versions);
    expect(versions.map(({ minor }) => minor)).toEqual(['3.2', '3.3', '3.4', '3.5', '3.6', '3.7']);
    const files = versions.flatMap((version) => version.files);
    expect([...new Set(files.flatMap((file) => Object.keys(file.paths).map(withoutPrefix)))].filter((path) => !paths.has(path))).toEqual(
      [],
    );
    // The transport handles errors of a stream; enums are checked by the fields that have them.
    const about = files
      .flatMap((file) => Object.entries(file.definitions))
      .filter(([name, schema]) => schema.enum === undefined && !/^(google[Rr]pc|rpc|runtime|protobuf)[A-Z]/.test(name))
      .map(([name]) => name);
    expect([...new Set(about)].filter((name) => !definitions.has(name))).toEqual([]);
  });
});

describe('the newest RPC and field of any request', () => {
  const sinceOf = (message: Message, seen: Set<string>): string[] => {
    if (seen.has(message.name)) return [];
    seen.add(message.name);
    return [...message.fields().values()].flatMap(({ since, type }) => {
      const inner = messageOf(type.kind);
      return [...(since === undefined ? [] : [since]), ...(inner === undefined ? [] : sinceOf(inner, seen))];
    });
  };

  it('has the version that its codec states', () => {
    const all = RPCS.flatMap(({ request, path, since }) => [since ?? [], sinceOf(messageBehind(request, path), new Set())].flat());
    expect(all.sort(byNumber).at(-1)).toBe(NEWEST_SINCE);
  });
});
