import type * as t from 'io-ts';
import { left, right } from '../util/either.js';

/** A JSON value, as a gateway sends and receives it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/**
 * Writes JSON as it is sent, always in ASCII. Copying ASCII byte by byte takes a third of the time of encoding UTF-8.
 */
export const jsonText = (json: Json): string => ascii(JSON.stringify(json));

/** Escapes the characters of JSON that are not ASCII. */
export const ascii = (json: string): string => json.replace(NOT_ASCII, escaped);

const NOT_ASCII = /[^\x00-\x7f]/g;
const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * The result of {@link WireType.read} and {@link WireType.write} for an invalid value. It is cheaper than an exception
 * or an `Either` for each field.
 */
export const INVALID = Symbol('invalid');

/** The type as in a swagger file, so that a test can compare each codec with it. */
export type WireKind =
  | { readonly is: 'string' | 'bool' | 'bytes' | 'int64' | 'uint64' | 'int32' | 'number' | 'json' }
  | { readonly is: 'enum'; readonly values: readonly string[] }
  | { readonly is: 'array'; readonly of: WireKind }
  | { readonly is: 'message'; readonly name: string; readonly fields: () => ReadonlyMap<string, Field> };

/**
 * A decoder of io-ts for a field of etcd's JSON. Besides io-ts's `decode` it has `read`, which builds no context for
 * each field. So a range of 5 000 keys costs little more than its `JSON.parse`. Only if a value is invalid, `explain`
 * reads it again to find the place. `write` returns text. If each field became an object for `JSON.stringify`, building
 * these objects would be most of the cost of a request. It does not extend io-ts's class, so that a page need not load
 * io-ts.
 *
 * @typeParam A the type that a field decodes to
 * @typeParam In the type that a request accepts, if it is wider, such as text for bytes
 */
export class WireType<A, In = A> implements t.Decoder<unknown, A> {
  /** Holds {@link In} for the type checker; never set. */
  declare readonly _In: In;

  constructor(
    readonly name: string,
    readonly kind: WireKind,
    /** The value of a missing field, as proto3 omits every default. */
    readonly absent: () => A,
    readonly read: (input: unknown) => A | typeof INVALID,
    /** Writes a value as {@link jsonText} would. */
    readonly write: (value: In) => string | typeof INVALID,
    readonly explain: (input: unknown, context: t.Context) => t.Errors = (value, context) => [{ value, context }],
  ) {}

  validate(input: unknown, context: t.Context): t.Validation<A> {
    const value = this.read(input);
    return value === INVALID ? left(this.explain(input, context)) : right(value);
  }

  decode(input: unknown): t.Validation<A> {
    return this.validate(input, [{ key: '', type: this, actual: input }]);
  }
}

/** A field of a message: its type and its name on the wire. */
export interface Field {
  readonly wire: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a field of whatever type; nothing is ever passed through this one
  readonly type: WireType<any, any>;
  /** The first version of etcd (`3.4`) with this field; undefined if all versions have it. */
  readonly since: string | undefined;
  /** Whether a request must have it. */
  readonly required: boolean;
}

/** The type that a codec decodes to. */
export type DecodedBy<T> = T extends WireType<infer A, infer _> ? A : never;

/**
 * Whether a call may be sent again if its outcome is unknown.
 * - `read`: does not change the store; may be retried on the next endpoint.
 * - `write`: sent at most once; an unknown outcome is an `AmbiguousWriteError`.
 */
export type Safety = 'read' | 'write';

/** The part of a codec that requests use. */
export interface RequestCodec<In> {
  readonly kind: WireKind | undefined;
  /** @returns JSON in ASCII @throws EtcdError `InvalidArgument`, naming the field */
  write(request: In): string | typeof INVALID;
}

/** The part of a codec that responses use. */
export interface ResponseCodec<A> {
  read(json: unknown): A | typeof INVALID;
  explain(json: unknown, context: t.Context): t.Errors;
}

/** A list in a response whose elements can be read before the rest has arrived. */
export interface LongList<A> {
  /** Matches the response up to its first element. The matched text is ASCII. */
  readonly head: RegExp;
  /** Collects the elements of one response. */
  readonly collect: () => {
    /** @returns false if they are not valid elements; then none were added */
    add(elements: unknown): boolean;
    /** Inserts the elements before those in the response. */
    complete(answer: A): A;
  };
}

/** An RPC of etcd, with its path and its codecs. `In` is the type of the request, `A` of the response. */
export interface Rpc<In, A> {
  /** The name in etcd's API, such as `KV.Put`. */
  readonly name: string;
  /** The path after the version prefix, such as `/kv/put`. */
  readonly path: string;
  readonly request: RequestCodec<In>;
  readonly response: ResponseCodec<A>;
  /** The list that makes its response long. */
  readonly list?: LongList<A>;
  readonly safety: Safety;
  /** The first version of etcd (`3.4`) with the RPC; undefined if all versions have it. */
  readonly since?: string;
  /**
   * Whether the RPC may take any time, such as waiting for a lock or defragmenting. Without `timeoutMs` it has no
   * deadline.
   */
  readonly unbounded?: true;
  /** Whether the first response of a stream arrives at once, so that it has the deadline of a call. */
  readonly bounded?: true;
  /**
   * Whether its response is long. The server sends no data until the whole response is ready, which takes longer than
   * usual.
   */
  readonly long?: true;
  /** Whether the RPC needs no token, as it obtains one. */
  readonly anonymous?: true;
  /** Whether the RPC needs a leader, although a member without a leader would accept it. */
  readonly needsLeader?: true;
  /** Headers of this request, in addition to those of the client. Their names are in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the response is emitted as it arrived, and each message of a stream as a whole object, both undecoded. */
  readonly raw?: true;
  /** Whether its stream replaces another one, which ends soon. */
  readonly replaces?: true;
  /**
   * Whether a call is a batch of several calls. A rejection may concern only one of them, so each is then sent
   * separately.
   */
  readonly joint?: true;
}

/** Describes an RPC; the types of request and response follow from the codecs. */
export function rpc<In, A>(descriptor: Rpc<In, A>): Rpc<In, A> {
  return descriptor;
}

/** The type of the request of an RPC. */
export type RequestOf<R> = R extends Rpc<infer In, infer _> ? In : never;
/** The type of the response of an RPC. */
export type AnswerOf<R> = R extends Rpc<infer _, infer A> ? A : never;
