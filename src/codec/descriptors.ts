import type * as t from 'io-ts';
import { left, right } from '../util/either.js';

/** A JSON value, as a gateway sends and receives it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/**
 * Converts JSON to the text that is sent, which is always ASCII. Copying ASCII byte by byte takes a third of the time
 * of encoding UTF-8.
 */
export const jsonText = (json: Json): string => ascii(JSON.stringify(json));

/** Escapes the characters in the text of JSON that are not ASCII. */
export const ascii = (json: string): string => json.replace(NOT_ASCII, escaped);

const NOT_ASCII = /[^\x00-\x7f]/g;
const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * The result of {@link WireType.read} and {@link WireType.write} for an invalid value. It costs less than an exception,
 * or an `Either` for each field.
 */
export const INVALID = Symbol('invalid');

/** The type of a field as swagger files describe it. With it, a test can compare each codec with a swagger file. */
export type WireKind =
  | { readonly is: 'string' | 'bool' | 'bytes' | 'int64' | 'uint64' | 'int32' | 'number' | 'json' }
  | { readonly is: 'enum'; readonly values: readonly string[] }
  | { readonly is: 'array'; readonly of: WireKind }
  | { readonly is: 'message'; readonly name: string; readonly fields: () => ReadonlyMap<string, Field> };

/**
 * A decoder of io-ts for a field of etcd's JSON. It has io-ts's `decode`. It also has `read`, which is faster, as it
 * does not create io-ts's context object for each field. So reading a range of 5 000 keys costs little more than its
 * `JSON.parse`. If a value is invalid, `explain` reads it again to find the invalid field. `write` returns text, as
 * creating objects for `JSON.stringify` would be most of the cost of a request. The class does not extend io-ts's
 * class, so that a page need not load io-ts.
 *
 * @typeParam A the type that a field decodes to
 * @typeParam In the type that a request accepts, if it is wider, such as text for bytes
 */
export class WireType<A, In = A> implements t.Decoder<unknown, A> {
  /** Declares {@link In} for TypeScript. It is never set. */
  declare readonly _In: In;

  constructor(
    readonly name: string,
    readonly kind: WireKind,
    /** Returns the value of a missing field. proto3 omits every field that has its default. */
    readonly absent: () => A,
    readonly read: (input: unknown) => A | typeof INVALID,
    /** Writes a value as text, in the form of {@link jsonText}. */
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
  /** Whether a request must have the field. */
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
  /**
   * Writes a request.
   *
   * @returns JSON in ASCII
   * @throws EtcdError `InvalidArgument` that names the field
   */
  write(request: In): string | typeof INVALID;
}

/** The part of a codec that responses use. */
export interface ResponseCodec<A> {
  read(json: unknown): A | typeof INVALID;
  explain(json: unknown, context: t.Context): t.Errors;
}

/** A list in a response. Its elements can be read before the rest of the response has arrived. */
export interface LongList<A> {
  /** Matches the beginning of the response, up to the first element. The matched text is ASCII. */
  readonly head: RegExp;
  /** Collects the elements of one response. */
  readonly collect: () => {
    /**
     * Adds elements.
     *
     * @returns false if the elements are not valid; in that case none of them is added
     */
    add(elements: unknown): boolean;
    /** Inserts the elements into the list of the response, before its own elements. */
    complete(response: A): A;
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
  /** The list in the response that may be long. */
  readonly list?: LongList<A>;
  readonly safety: Safety;
  /** The first version of etcd (`3.4`) with the RPC; undefined if all versions have it. */
  readonly since?: string;
  /**
   * Whether the RPC may take any length of time, such as to wait for a lock or to defragment. Without `timeoutMs` such
   * an RPC has no deadline.
   */
  readonly unbounded?: true;
  /** Whether the first response of a stream should arrive at once. If so, the deadline of a call applies to it. */
  readonly bounded?: true;
  /**
   * Whether the response is long. The server sends no data until the whole response is ready, which takes longer than
   * usual.
   */
  readonly long?: true;
  /** Whether the RPC needs no token, as it requests one. */
  readonly anonymous?: true;
  /** Whether the RPC needs a leader, although a member without a leader would accept the request. */
  readonly needsLeader?: true;
  /** The headers of this request, in addition to those of the client. Their names are in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Whether the response is emitted as it arrived, without decoding. For a stream, each message is emitted as a whole
   * object.
   */
  readonly raw?: true;
  /** Whether the stream replaces another stream, which will end soon. */
  readonly replaces?: true;
  /**
   * Whether a call is a batch of several calls. A rejection may concern only one of these calls, so after a rejection
   * each call is sent separately.
   */
  readonly joint?: true;
}

/** Describes an RPC. The types of the request and the response follow from the codecs. */
export function rpc<In, A>(descriptor: Rpc<In, A>): Rpc<In, A> {
  return descriptor;
}

/** The type of the request of an RPC. */
export type RequestOf<R> = R extends Rpc<infer In, infer _> ? In : never;
/** The type of the response of an RPC. */
export type ResponseOf<R> = R extends Rpc<infer _, infer A> ? A : never;
