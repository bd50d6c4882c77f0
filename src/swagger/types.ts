import * as t from 'io-ts';
import { EtcdError } from '../errors/index.js';
import { validated } from '../model/validator.js';
import { isRight } from '../util/either.js';
import { type AnyType, field, lazy, message, type MessageType } from '../codec/message.js';
import { array, bool, bytes, int32, string } from '../codec/scalars.js';
import { INVALID, type Json, jsonText, WireType } from '../codec/descriptors.js';

/** A schema of a swagger document, with the properties that etcd uses. */
export interface Schema {
  type?: string;
  format?: string;
  enum?: string[];
  items?: Schema;
  $ref?: string;
  properties?: Record<string, Schema>;
}

const Schema: t.Type<Schema> = t.recursion('schema', () =>
  t.partial(
    {
      type: t.string,
      format: t.string,
      enum: t.array(t.string),
      items: Schema,
      $ref: t.string,
      properties: t.record(t.string, Schema),
    },
    'a schema',
  ),
);

const Operation = t.partial(
  {
    parameters: t.array(t.partial({ in: t.string, schema: Schema }, 'a parameter')),
    responses: t.record(t.string, t.partial({ description: t.string, schema: Schema }, 'a response')),
  },
  'an operation',
);
export type Operation = t.TypeOf<typeof Operation>;

const SwaggerDocument = t.type(
  {
    paths: t.record(t.string, t.partial({ post: Operation }, 'a path'), 'an object of paths'),
    definitions: t.record(t.string, Schema, 'an object of schemas'),
    // The messages of streams, in the documents of etcd 3.3 and 3.4.
    'x-stream-definitions': t.union([t.undefined, t.record(t.string, Schema)]),
  },
  'an object',
);
export type SwaggerDocument = t.TypeOf<typeof SwaggerDocument>;

/**
 * Creates the error of an invalid document. The error names the place, such as
 * `definitions.mvccpbKeyValue.properties.key`.
 */
export const invalidDocument = (place: string, problem: string): EtcdError =>
  new EtcdError('InvalidArgument', `swagger document, ${place}: ${problem}`);

/**
 * Checks that a document has the structure of a swagger file.
 *
 * @throws EtcdError `InvalidArgument` that names the first invalid place
 */
export function readDocument(document: unknown): SwaggerDocument {
  const read = validated(SwaggerDocument, document);
  if (isRight(read)) return read.right;
  throw new EtcdError('InvalidArgument', `swagger document, ${read.left[0] ?? 'not valid'}`);
}

/** A type without parts. `json` stands for any JSON value, and `int32` for any integer that is a number on the wire. */
export interface SwaggerScalar {
  readonly is: 'string' | 'bytes' | 'bool' | 'int64' | 'uint64' | 'int32' | 'number' | 'json';
}

/** An enum with the names of its values. The first one is the default, which a message omits. */
export interface SwaggerEnum {
  readonly is: 'enum';
  readonly name: string;
  readonly values: readonly string[];
}

/** A list of values of one type. */
export interface SwaggerList {
  readonly is: 'array';
  readonly of: SwaggerType;
}

/** A message. Its fields have etcd's names. A message may contain itself. */
export interface SwaggerMessage {
  readonly is: 'message';
  readonly name: string;
  readonly fields: ReadonlyMap<string, SwaggerType>;
}

/** A type in a swagger document. References are replaced by the types to which they refer. */
export type SwaggerType = SwaggerScalar | SwaggerEnum | SwaggerList | SwaggerMessage;

const REF = '#/definitions/';
const FIELD_NAME = /^[\w@$.-]+$/;

/**
 * Resolves the schemas of a document to types. Each definition becomes one object, so that types can refer to each
 * other in cycles.
 */
export class TypeResolver {
  private readonly known = new Map<string, SwaggerType>();

  constructor(private readonly definitions: SwaggerDocument['definitions']) {}

  /** Resolves all definitions, in the order of the document. */
  all(): ReadonlyMap<string, SwaggerType> {
    return new Map(Object.keys(this.definitions).map((name) => [name, this.definition(name, `definitions.${name}`)]));
  }

  /**
   * Resolves a schema.
   *
   * @param place the place of the schema in the document
   * @throws EtcdError `InvalidArgument` that names the invalid place
   */
  resolve(schema: Schema, place: string): SwaggerType {
    if (schema.$ref === undefined) return this.inline(schema, place, place);
    if (!schema.$ref.startsWith(REF)) throw invalidDocument(`${place}.$ref`, `expected ${REF}<name>, received ${quoted(schema.$ref)}`);
    return this.definition(schema.$ref.slice(REF.length), `${place}.$ref`);
  }

  private definition(name: string, place: string): SwaggerType {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const schema = Object.hasOwn(this.definitions, name) ? this.definitions[name] : undefined;
    if (schema === undefined) throw invalidDocument(place, `expected the name of a definition, received ${quoted(name)}`);
    if (schema.$ref !== undefined) throw invalidDocument(`definitions.${name}.$ref`, 'expected a type, received a reference');
    return this.inline(schema, name, `definitions.${name}`, name);
  }

  /**
   * Resolves a schema that is not a reference.
   *
   * @param definition the name of the schema, if it is a definition. The type is registered before its fields are
   * resolved, so that they can refer to it
   */
  private inline(schema: Schema, name: string, place: string, definition?: string): SwaggerType {
    const known = <T extends SwaggerType>(type: T): T => {
      if (definition !== undefined) this.known.set(definition, type);
      return type;
    };
    if (schema.enum !== undefined) {
      if (schema.enum.length === 0) throw invalidDocument(`${place}.enum`, 'expected at least one value, received no value');
      return known({ is: 'enum', name, values: schema.enum });
    }
    if (schema.type === 'array') {
      if (schema.items === undefined) throw invalidDocument(`${place}.items`, 'expected a schema, received nothing');
      return known({ is: 'array', of: this.resolve(schema.items, `${place}.items`) });
    }
    if (schema.properties !== undefined || (schema.type === 'object' && definition !== undefined && !isAny(definition))) {
      const fields = new Map<string, SwaggerType>();
      const type = known<SwaggerMessage>({ is: 'message', name, fields });
      for (const [field, property] of Object.entries(schema.properties ?? {})) {
        const at = `${place}.properties.${field}`;
        if (!FIELD_NAME.test(field)) throw invalidDocument(at, 'expected the name of a field, received other characters');
        fields.set(field, this.resolve(property, at));
      }
      return type;
    }
    return known(scalar(schema, place));
  }
}

/** Returns whether a definition is protobuf's `Any`. The fields of `Any` depend on the type that the message names. */
const isAny = (definition: string): boolean => definition.endsWith('protobufAny');

/** Returns text of a document in quotes, for an error. The text is cut after 100 characters. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 100));

function scalar({ type, format }: Schema, place: string): SwaggerScalar {
  switch (type) {
    case 'string':
      if (format === 'byte') return { is: 'bytes' };
      return { is: format === 'int64' || format === 'uint64' ? format : 'string' };
    // Documents describe a uint32 as an integer with the format int64, but it is a number on the wire.
    case 'integer':
      return { is: 'int32' };
    case 'number':
      return { is: 'number' };
    case 'boolean':
      return { is: 'bool' };
    case 'object':
    case undefined:
      return { is: 'json' };
    default:
      throw invalidDocument(`${place}.type`, `expected string, integer, number, boolean, array or object, received ${quoted(type)}`);
  }
}

/**
 * A value in etcd's JSON format. A 64-bit integer is decimal text, because a `number` cannot represent all such
 * integers. In a request it may also be a `number` or `bigint`. Bytes are a `Uint8Array`. In a request they may also be
 * text, which is sent as UTF-8.
 */
export type SwaggerValue = string | number | bigint | boolean | null | undefined | Uint8Array | readonly SwaggerValue[] | SwaggerObject;

/** A message with etcd's field names, such as `{ range_end: … }`. */
export interface SwaggerObject {
  readonly [field: string]: SwaggerValue;
}

/** Creates the codecs of a document, one for each message. */
export class Codecs {
  private readonly messages = new Map<SwaggerMessage, MessageType<SwaggerObject, SwaggerObject>>();

  of(type: SwaggerType): AnyType {
    switch (type.is) {
      case 'array':
        return array(this.field(type.of));
      case 'enum':
        return enumOf(type);
      case 'message':
        return this.ofMessage(type);
      default:
        return SCALARS[type.is];
    }
  }

  ofMessage(type: SwaggerMessage): MessageType<SwaggerObject, SwaggerObject> {
    const made = this.messages.get(type);
    if (made !== undefined) return made;
    const fields = [...type.fields].map(([name, of]) => [name, field(this.field(of), { wire: name })] as const);
    const codec = message(type.name, Object.fromEntries(fields));
    this.messages.set(type, codec);
    return codec;
  }

  /**
   * Creates the codec of a field. A missing message is undefined. The codec of a message is created on first use,
   * because a message may contain itself.
   */
  private field(type: SwaggerType): AnyType {
    return type.is === 'message' ? lazy(type.name, () => this.ofMessage(type)) : this.of(type);
  }
}

/** Creates the codec of an integer that a `number` cannot always represent. */
function integer(is: 'int64' | 'uint64', least: bigint, most: bigint): WireType<string, SwaggerValue> {
  const read = (input: unknown): string | typeof INVALID => {
    const isWhole = typeof input === 'bigint' || (typeof input === 'string' ? /^-?\d+$/.test(input) : Number.isSafeInteger(input));
    if (!isWhole) return INVALID;
    const value = BigInt(input as string | number | bigint);
    return value >= least && value <= most ? String(value) : INVALID;
  };
  const write = (value: unknown): string | typeof INVALID => {
    const text = read(value);
    return text === INVALID ? INVALID : `"${text}"`;
  };
  return new WireType<string, SwaggerValue>(is, { is }, () => '0', read, write);
}

/** Creates the codec of an enum. It reads the name or the number of a value. */
function enumOf({ name, values }: SwaggerEnum): WireType<string, string | number> {
  const read = (input: unknown): string | typeof INVALID => {
    const value = typeof input === 'number' ? values[input] : input;
    return typeof value === 'string' && values.includes(value) ? value : INVALID;
  };
  const write = (value: unknown): string | typeof INVALID => {
    const text = read(value);
    return text === INVALID ? INVALID : jsonText(text);
  };
  return new WireType<string, string | number>(
    `${name} (${values.join(', ')})`,
    { is: 'enum', values },
    () => values[0] ?? '',
    read,
    write,
  );
}

const number = new WireType<number>(
  'number',
  { is: 'number' },
  () => 0,
  (input) => (typeof input === 'number' ? input : INVALID),
  (value) => (Number.isFinite(value) ? String(value) : INVALID),
);

const json = new WireType<unknown>(
  'JSON',
  { is: 'json' },
  () => undefined,
  (input) => input,
  (value) => {
    const text = JSON.stringify(value) as string | undefined;
    return text === undefined ? INVALID : jsonText(JSON.parse(text) as Json);
  },
);

const SCALARS: Readonly<Record<SwaggerScalar['is'], AnyType>> = {
  string,
  bytes,
  bool,
  int32,
  number,
  json,
  int64: integer('int64', -(2n ** 63n), 2n ** 63n - 1n),
  uint64: integer('uint64', 0n, 2n ** 64n - 1n),
};

/** Converts a codec to a type of io-ts, which also has a type guard and can encode. */
export function typeOf<A>(codec: WireType<A>): t.Type<A, Json> {
  const isWritten = (input: unknown): input is A => {
    try {
      return codec.write(input as A) !== INVALID;
    } catch {
      // `write` throws an error that names the invalid field, but a type guard must not throw.
      return false;
    }
  };
  const encode = (value: A): Json => {
    const text = codec.write(value);
    if (text === INVALID) throw new EtcdError('InvalidArgument', `not a valid ${codec.name}`);
    return JSON.parse(text) as Json;
  };
  return new t.Type(codec.name, isWritten, (input, context) => codec.validate(input, context), encode);
}
