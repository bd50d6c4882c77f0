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
