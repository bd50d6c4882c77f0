import type * as t from 'io-ts';
import { EtcdError } from '../errors/index.js';
import { INVALID, type WireKind } from './wire.js';

/**
 * Whether a call may be sent again when nobody knows what became of it.
 * - `read`: changes nothing; may be repeated on the next endpoint.
 * - `write`: sent at most once; an unknown outcome is an `AmbiguousWriteError`.
 */
export type Safety = 'read' | 'write';

/** What a request needs of its codec. */
export interface RequestCodec<In> {
  readonly kind: WireKind | undefined;
  /** @returns JSON in ASCII @throws EtcdError `InvalidArgument`, naming the field */
  write(request: In): string | typeof INVALID;
}

/** What an answer needs of its codec. */
export interface ResponseCodec<A> {
  read(json: unknown): A | typeof INVALID;
  explain(json: unknown, context: t.Context): t.Errors;
}

/** An RPC of etcd: where it is, what goes in and what comes out. `In` is the request, `A` the answer. */
export interface Rpc<In, A> {
  /** As etcd names it: `KV.Put`. */
  readonly name: string;
  /** Behind the prefix of the version: `/kv/put`. */
  readonly path: string;
  readonly request: RequestCodec<In>;
  readonly response: ResponseCodec<A>;
  readonly safety: Safety;
  /** The first etcd (`3.4`) that has it, where not all do. */
  readonly since?: string;
  /** May take as long as it takes (waiting for a lock, defragmenting): without `timeoutMs` it has no deadline. */
  readonly unbounded?: true;
  /** Its answers are a stream, but the first comes at once: it has the deadline of a call. */
  readonly bounded?: true;
  /** Needs no token: it is how one is had. */
  readonly anonymous?: true;
  /** Comes to nothing at a member that has no leader, though that would take it. */
  readonly needsLeader?: true;
  /** Asked by several together: what refuses it may be meant for one of them, and each asks anew by itself. */
  readonly joint?: true;
}

/** Describes an RPC; the types of request and answer follow from the codecs. */
export function rpc<In, A>(descriptor: Rpc<In, A>): Rpc<In, A> {
  return descriptor;
}

/** A request as it is sent: JSON in ASCII. @throws EtcdError `InvalidArgument`, naming the field */
export function requestText<In>({ name, request }: Rpc<In, unknown>, given: In): string {
  const text = request.write(given);
  if (text === INVALID) throw new EtcdError('InvalidArgument', 'the request is not valid', { rpc: name });
  return text;
}

/** What a request of this RPC takes. */
export type RequestOf<R> = R extends Rpc<infer In, infer _> ? In : never;
/** What this RPC answers. */
export type AnswerOf<R> = R extends Rpc<infer _, infer A> ? A : never;
