import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { INVALID, WireType } from '../../../src/codec/descriptors.js';
import { loadSwagger, type SwaggerMessage, type SwaggerType } from '../../../src/swagger/index.js';
import { ALIASES, OTHER_KIND, OTHER_RPC, present, readSwaggerFiles, RPCS } from '../codec/swaggerFiles.js';

/**
 * Compares the codecs derived from etcd's swagger files with the built-in ones, for every message of every version:
 * both read the same JSON, and each reads what the other writes.
 */
const suite = present ? describe : describe.skip;

/** Messages within messages go no deeper than this: a txn can contain itself. */
const DEPTH = 2;

/** Fields that the built-in codecs do not accept without a value. */
const NEEDED = new Set(['Event.kv']);

const shortName = (definition: string): string => definition.replace(/^(etcdserverpb|v3lockpb|v3electionpb|mvccpb|authpb)/, '');

/** JSON as a gateway sends it, with some of the defaults left out. */
function jsonOf(type: SwaggerType, minor: string, depth = 0): fc.Arbitrary<unknown> {
  switch (type.is) {
    case 'string':
      return fc.oneof(fc.string({ maxLength: 8 }), fc.constant('Größe 漢字'));
    case 'bytes':
      return fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('base64'));
    case 'bool':
      return fc.boolean();
    // A revision of the built-in codecs is a number from 0 on.
    case 'int64':
    case 'uint64':
      return fc.maxSafeNat().map(String);
    case 'int32':
      return fc.nat();
    case 'enum':
      return fc.oneof(fc.constantFrom(...type.values), fc.nat({ max: type.values.length - 1 }));
    case 'array':
      return depth > DEPTH ? fc.constant([]) : fc.array(jsonOf(type.of, minor, depth + 1), { maxLength: 3 });
    case 'message': {
      const nameOf = (field: string): string => `${shortName(type.name)}.${field}`;
      const fields = [...type.fields].filter(
        ([name, of]) =>
          (depth <= DEPTH || of.is !== 'message' || NEEDED.has(nameOf(name))) && OTHER_KIND[nameOf(name)]?.includes(minor) !== true,
      );
      const values = Object.fromEntries(fields.map(([name, of]) => [name, jsonOf(of, minor, depth + 1)]));
      return fc.record(values, { requiredKeys: fields.map(([name]) => name).filter((name) => NEEDED.has(nameOf(name))) });
    }
    default:
      throw new Error(`no message of etcd has a field of the type ${type.is}`);
  }
}

/**
 * Removes all defaults from the result of a derived codec: a built-in codec replaces a missing message by its defaults.
 */
function essence(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => essence(item) ?? null);
  if (typeof value !== 'object' || value === null)
    return value === '' || value === '0' || value === 0 || value === false ? undefined : value;
  const fields = Object.entries(value).flatMap(([name, field]) => (essence(field) === undefined ? [] : [[name, essence(field)] as const]));
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}

/** The first value of an enum is a default, too. */
function withoutEnums(type: SwaggerType, value: unknown): unknown {
  if (type.is === 'enum') return value === type.values[0] ? undefined : value;
  if (type.is === 'array') return (value as unknown[]).map((item) => withoutEnums(type.of, item));
  if (type.is !== 'message' || value === undefined) return value;
  return Object.fromEntries(
    [...type.fields].map(([name, of]) => [name, withoutEnums(of, (value as Readonly<Record<string, unknown>>)[name])]),
  );
}

const messagesIn = (type: SwaggerType, met: Set<string>): void => {
  if (type.is === 'array') return messagesIn(type.of, met);
  if (type.is !== 'message' || met.has(type.name)) return;
  met.add(type.name);
  for (const field of type.fields.values()) messagesIn(field, met);
};

suite("the codecs that are derived from etcd's swagger files", () => {
  const versions = readSwaggerFiles().map(({ minor, files }) => ({ minor, specs: files.map(loadSwagger) }));

  for (const { minor, specs } of versions)
    describe(`the codecs of swagger ${minor}`, () => {
      const met = new Set<string>();

      it.each(specs.flatMap((spec) => [...spec.paths.values()]).map((rpc) => [rpc.path, rpc] as const))(
        'agree with the built-in ones: %s',
        (path, rpc) => {
          const other = OTHER_RPC[path];
          const meant = other?.in.includes(minor) === true ? other.is : (ALIASES[path] ?? path);
          const builtIn = RPCS.find((each) => each.path === meant);
          if (builtIn === undefined) throw new Error(`no RPC of ours has the path ${path}`);
          const agree = (type: SwaggerMessage, derived: typeof rpc.response, ours: unknown): void => {
            if (!(ours instanceof WireType)) throw new Error(`${path} has a codec that is no message`);
            messagesIn(type, met);
            fc.assert(
              fc.property(jsonOf(type, minor), (json) => {
                const read = derived.decode(json);
                if (read._tag === 'Left') throw new Error('the derived codec does not read it');
                const value: unknown = ours.read(json);
                expect(value).not.toBe(INVALID);
                const again = derived.decode(JSON.parse(String(ours.write(value))));
                if (again._tag === 'Left') throw new Error('the derived codec does not read what the built-in one writes');
                expect(essence(withoutEnums(type, again.right))).toEqual(essence(withoutEnums(type, read.right)));
                expect(ours.read(derived.encode(read.right))).toEqual(value);
              }),
              { numRuns: 6 },
            );
          };
          agree(rpc.requestType, rpc.request, builtIn.request);
          agree(rpc.responseType, rpc.response, builtIn.response);
        },
      );

      it('exist for every message', () => {
        const all = specs.flatMap((spec) => [...spec.definitions.values()]).filter((type) => type.is === 'message');
        // The transport handles errors.
        const names = all.map(({ name }) => name).filter((name) => !/^(google[Rr]pc|rpc|runtime|protobuf)[A-Z]/.test(name));
        // 3.3 and 3.4 use these messages at no path.
        const pathless = ['3.3', '3.4'].includes(minor) ? ['etcdserverpbHashRequest', 'etcdserverpbHashResponse'] : [];
        expect(names.filter((name) => !met.has(name))).toEqual(pathless);
      });
    });

  it('the swagger documents are those of six versions', () => {
    expect(versions.map(({ minor }) => minor)).toEqual(['3.2', '3.3', '3.4', '3.5', '3.6', '3.7']);
  });
});
