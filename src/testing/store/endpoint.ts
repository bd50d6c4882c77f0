import { OneKeyResponse } from '../../codec/kv.js';
import { type ResponseCodec, type DecodedBy, INVALID, type Json, type WireKind } from '../../codec/descriptors.js';
import type { ResponseHeader } from '../../codec/common.js';
import { isBytes } from '../../model/bytes.js';
import { KeyValue } from '../../model/keyValue.js';
import type { Access } from './auth.js';
import { Refusal } from './refusal.js';

export type Header = DecodedBy<typeof ResponseHeader>;

/** The codec of a message that clients and servers read and write. */
export interface Codec<A> {
  readonly name: string;
  readonly kind: WireKind;
  read(json: unknown): A | typeof INVALID;
  write(message: unknown): string | typeof INVALID;
}

/** The properties of a call that its service uses. */
export interface Session {
  /**
   * Returns the header of a response.
   *
   * @param revision the revision in the header; by default the current one
   */
  readonly header: (revision?: number) => Header;
  /** Returns the permissions that the client has now. They may change during a stream. */
  readonly access: () => Access;
}

/** Receives the responses to a call, or its error. */
export interface Sink<A> {
  readonly next: (response: A) => void;
  readonly error: (refusal: Refusal) => void;
  readonly complete: () => void;
}

/** A call in progress, with the functions of its service. */
export interface OpenCall<In> {
  receive(request: In): void;
  /** Called when the client sends no more requests. */
  end?(): void;
  /** Releases the resources of the call. Called when the call has ended or was cancelled. */
  close?(): void;
}

/** An RPC of the server. It reads the JSON of a request, and returns a decoded response. */
export interface Endpoint {
  /** Carries out a call with an immediate response; undefined for an RPC that may respond later. */
  readonly call: ((body: string, session: Session) => unknown) | undefined;
  readonly open: (session: Session, sink: Sink<unknown>) => OpenCall<string>;
  /** Converts a response to the type that a client's codec decodes to. */
  readonly response: <A>(codec: ResponseCodec<A>, response: unknown) => A;
}

/** Defines an RPC with one immediate response. */
export function unary<In, A>(request: Codec<In>, response: Codec<A>, run: (request: In, session: Session) => A): Endpoint {
  const call = (body: string, session: Session): A => run(decoded(request, body), session);
  return {
    call,
    open: (session, sink) => ({
      receive: (body) => {
        sink.next(call(body, session));
        sink.complete();
      },
    }),
    response: converter(response),
  };
}

/** Defines an RPC that may wait before it responds, or that responds with a stream. */
export function streaming<In, A>(
  request: Codec<In>,
  response: Codec<A>,
  open: (session: Session, sink: Sink<A>) => OpenCall<In>,
): Endpoint {
  return {
    call: undefined,
    open: (session, sink) => {
      const opened = open(session, sink);
      return { ...opened, receive: (body) => opened.receive(decoded(request, body)) };
    },
    response: converter(response),
  };
}

function decoded<In>(codec: Codec<In>, body: string): In {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new Refusal('invalid character in the request', 'InvalidArgument');
  }
  const request = codec.read(json);
  if (request === INVALID) throw new Refusal(`the request is not a valid ${codec.name}`, 'InvalidArgument');
  return request;
}

/**
 * Creates a function that converts a response to the type that a client's codec decodes to. Most clients have the codec
 * of the server, so a copy of the response is enough.
 */
function converter<T>(own: Codec<T>): Endpoint['response'] {
  return <A>(codec: ResponseCodec<A>, response: unknown): A => {
    // TypeScript cannot infer the types of the responses in the table of RPCs. The codec determines the type here.
    if (codec === (own as unknown)) return copyOf(response) as A;
    if (codec === (OneKeyResponse as unknown)) return copyOf((response as { readonly kvs: readonly KeyValue[] }).kvs[0]) as A;
    const read = codec.read(gatewayJson(own, response));
    if (read === INVALID) throw new Error(`${own.name} cannot be read as the client expects`);
    return read;
  };
}

/**
 * Copies a response. Like a response that was decoded from JSON, the copy shares no object with other responses or the
 * store.
 */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof KeyValue) return value.withoutPrefix(0);
  if (isBytes(value)) return value.slice();
  if (Array.isArray(value)) return value.map(copyOf);
  const copy: Record<string, unknown> = { ...value };
  for (const name in copy) if (typeof copy[name] === 'object') copy[name] = copyOf(copy[name]);
  return copy;
}

/** Writes a response as etcd's gateway does: without the fields that have their defaults. */
export function gatewayJson(codec: Codec<unknown>, response: unknown): Json {
  const text = codec.write(response);
  if (text === INVALID) throw new Error(`not a valid ${codec.name}`);
  return withoutDefaults(codec.kind, JSON.parse(text) as Json);
}

function withoutDefaults(kind: WireKind, json: Json): Json {
  if (kind.is === 'array' && Array.isArray(json)) return (json as readonly Json[]).map((item) => withoutDefaults(kind.of, item));
  if (kind.is !== 'message' || typeof json !== 'object' || json === null) return json;
  const fields = [...kind.fields().values()].flatMap(({ wire, type }): [string, Json][] => {
    const value = (json as Readonly<Record<string, Json>>)[wire];
    return value === undefined || isDefault(type.kind, value) ? [] : [[wire, withoutDefaults(type.kind, value)]];
  });
  return Object.fromEntries(fields);
}

function isDefault(kind: WireKind, value: Json): boolean {
  switch (kind.is) {
    case 'string':
    case 'bytes':
      return value === '';
    case 'bool':
      return value === false;
    case 'int64':
    case 'uint64':
      return value === '0';
    case 'int32':
    case 'number':
      return value === 0;
    case 'enum':
      return value === kind.values[0];
    case 'array':
      return Array.isArray(value) && value.length === 0;
    case 'message':
    case 'json':
      return false;
  }
}
