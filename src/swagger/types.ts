import * as t from 'io-ts';
import { EtcdError } from '../errors/index.js';
import { validated } from '../model/validate.js';
import { isRight } from '../util/either.js';

/** A schema of a swagger document, with the parts of it that etcd uses. */
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
    // The messages of streams in the documents of etcd 3.3 and 3.4.
    'x-stream-definitions': t.union([t.undefined, t.record(t.string, Schema)]),
  },
  'an object',
);
export type SwaggerDocument = t.TypeOf<typeof SwaggerDocument>;

/** Creates the error of an invalid document, which names the place: `definitions.mvccpbKeyValue.properties.key`. */
export const invalidDocument = (place: string, problem: string): EtcdError =>
  new EtcdError('InvalidArgument', `swagger document, ${place}: ${problem}`);

/**
 * Checks the form of a document.
 *
 * @throws EtcdError `InvalidArgument` that names the first invalid place
 */
export function readDocument(document: unknown): SwaggerDocument {
  const read = validated(SwaggerDocument, document);
  if (isRight(read)) return read.right;
  throw new EtcdError('InvalidArgument', `swagger document, ${read.left[0] ?? 'not valid'}`);
}

/** A type without parts. `json` is any JSON value, and `int32` any integer that is written as a number. */
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

/** A message. Its fields have etcd's names. A message that contains itself is found again in them. */
export interface SwaggerMessage {
  readonly is: 'message';
  readonly name: string;
  readonly fields: ReadonlyMap<string, SwaggerType>;
}

/** A type in a swagger document, without references: each is replaced by the type that it refers to. */
export type SwaggerType = SwaggerScalar | SwaggerEnum | SwaggerList | SwaggerMessage;

const REF = '#/definitions/';
const FIELD_NAME = /^[\w@$.-]+$/;

/** Resolves the schemas of a document into types. Each definition becomes one object, which makes cycles possible. */
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
   * @param place where it is in the document
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

  /** @param definition its name, if it is a definition. It is known from now on, before its fields are resolved */
  private inline(schema: Schema, name: string, place: string, definition?: string): SwaggerType {
    const known = <T extends SwaggerType>(type: T): T => {
      if (definition !== undefined) this.known.set(definition, type);
      return type;
    };
    if (schema.enum !== undefined) {
      if (schema.enum.length === 0) throw invalidDocument(`${place}.enum`, 'expected at least one value, received none');
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

/** Tells whether a definition is protobuf's `Any`, whose fields depend on the type that it names. */
const isAny = (definition: string): boolean => definition.endsWith('protobufAny');

/** Quotes text of a document in an error, up to a length. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 100));

function scalar({ type, format }: Schema, place: string): SwaggerScalar {
  switch (type) {
    case 'string':
      if (format === 'byte') return { is: 'bytes' };
      return { is: format === 'int64' || format === 'uint64' ? format : 'string' };
    // A uint32 is described as an integer of the format int64, and is a number on the wire all the same.
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
