import type * as t from 'io-ts';
import { EtcdError } from '../errors/index.js';
import { tooDeep } from '../model/validate.js';
import { INVALID, type WireKind } from './wire.js';

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
  /** The path behind the prefix of the version, such as `/kv/put`. */
  readonly path: string;
  readonly request: RequestCodec<In>;
  readonly response: ResponseCodec<A>;
  /** The list that makes its response long. */
  readonly list?: LongList<A>;
  readonly safety: Safety;
  /** The first version of etcd (`3.4`) with the RPC; undefined if all have it. */
  readonly since?: string;
  /**
   * Whether it may take any time, such as waiting for a lock or defragmenting. Without `timeoutMs` it has no deadline.
   */
  readonly unbounded?: true;
  /** Whether the first response of a stream comes at once, so that it has the deadline of a call. */
  readonly bounded?: true;
  /** Whether its response is long. The server sends no data until all of it is ready, which takes longer than usual. */
  readonly long?: true;
  /** Whether it needs no token, as it obtains one. */
  readonly anonymous?: true;
  /** Whether it needs a leader, although a member without one would accept it. */
  readonly needsLeader?: true;
  /**
   * Whether it is a batch of several calls. A rejection may concern only one of them, so each is then sent separately.
   */
  readonly joint?: true;
}

/** Describes an RPC; the types of request and response follow from the codecs. */
export function rpc<In, A>(descriptor: Rpc<In, A>): Rpc<In, A> {
  return descriptor;
}

/**
 * Writes a request as JSON in ASCII.
 *
 * @throws EtcdError `InvalidArgument`, naming the field
 */
export function requestText<In>({ name, request }: Rpc<In, unknown>, given: In): string {
  let problem = 'it is not valid';
  try {
    const text = request.write(given);
    if (text !== INVALID) return text;
  } catch (error) {
    problem = tooDeep(error);
  }
  throw new EtcdError('InvalidArgument', `the request cannot be sent: ${problem}`, { rpc: name });
}

/** The type of the request of an RPC. */
export type RequestOf<R> = R extends Rpc<infer In, infer _> ? In : never;
/** The type of the response of an RPC. */
export type AnswerOf<R> = R extends Rpc<infer _, infer A> ? A : never;
