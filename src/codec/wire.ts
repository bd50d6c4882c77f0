import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { EtcdError } from '../errors/index.js';

/** JSON as a gateway carries it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** JSON as it is sent: in ASCII, whatever it says, as to copy that byte by byte takes a third of the time of encoding it in UTF-8. */
export const jsonText = (json: Json): string => JSON.stringify(json).replace(NOT_ASCII, escaped);

const NOT_ASCII = /[^\x00-\x7f]/g;
const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** What {@link WireType.read} and {@link WireType.write} give for a value that is not of the type: cheaper than an exception or an Either a field. */
export const INVALID = Symbol('invalid');

/** What a swagger file calls the type, so that a test can hold each codec against it. */
export type WireKind =
  | { readonly is: 'string' | 'bool' | 'bytes' | 'int64' | 'uint64' | 'int32' }
  | { readonly is: 'enum'; readonly values: readonly string[] }
  | { readonly is: 'array'; readonly of: WireKind }
  | { readonly is: 'message'; readonly name: string; readonly fields: () => ReadonlyMap<string, Field> };

/**
 * An io-ts type for a field of etcd's JSON. Besides io-ts's `decode` it has `read`, which answers without building a context a field, so that a
 * range of 5 000 keys costs little more than its `JSON.parse`; only when something is wrong does `explain` walk again, to say where. Besides `encode` it has
 * `write`, which gives text at once: to build an object a field, for `JSON.stringify` to walk, would cost a request most of what it costs.
 *
 * @typeParam A what a field decodes to
 * @typeParam In what a request may give for it, where that is more: text for bytes, say
 */
export class WireType<A, In = A> extends t.Type<A, Json> {
  /** Holds {@link In} for the type checker; never set. */
  declare readonly _In: In;

  constructor(
    name: string,
    readonly kind: WireKind,
    /** The value of a field that was left out, as proto3 leaves out every default. */
    readonly absent: () => A,
    readonly read: (input: unknown) => A | typeof INVALID,
    /** As {@link jsonText} would have it. */
    readonly write: (value: In) => string | typeof INVALID,
    readonly explain: (input: unknown, context: t.Context) => t.Errors = (value, context) => [{ value, context }],
  ) {
    super(
      name,
      (input): input is A => writes(() => write(input as In)),
      (input, context) => {
        const value = read(input);
        return value === INVALID ? E.left(explain(input, context)) : E.right(value);
      },
      (value) => {
        const text = write(value as unknown as In);
        if (text === INVALID) throw new EtcdError('InvalidArgument', `not a valid ${name}`);
        return JSON.parse(text) as Json;
      },
    );
  }
}

/** A guard answers, whatever it is given, where `write` throws to name the field that is wrong. */
function writes(write: () => string | typeof INVALID): boolean {
  try {
    return write() !== INVALID;
  } catch {
    return false;
  }
}

/** A field of a message: its type, and the name that the wire has for it. */
export interface Field {
  readonly wire: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a field of whatever type; nothing is ever passed through this one
  readonly type: WireType<any, any>;
  /** The first etcd (`3.4`) that knows this field, where not all do. */
  readonly since: string | undefined;
  /** A request has to give it. */
  readonly required: boolean;
}
