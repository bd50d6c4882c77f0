import { Observable, type Observer, throwError } from 'rxjs';
import { isRecord, requestText } from '../../codec/message.js';
import { INVALID, type ResponseCodec, type Rpc } from '../../codec/descriptors.js';
import { type ErrorDetails, EtcdError } from '../../errors/index.js';
import { jsonIn, tooDeep } from '../../model/validate.js';
import { failuresOf } from '../../model/validator.js';
import { type DuplexPart, type HttpRequest, type HttpResponse, PARTIAL, type StreamPart, type Transport } from '../http/transport.js';
import type {
  Attempt,
  CallAttempt,
  Destination,
  DuplexAttempt,
  DuplexEvent,
  Later,
  PlainRequest,
  PlainResponse,
  RawResponse,
  Wire,
} from '../wire.js';
import { ListReader } from './listReader.js';
import { errorInJson, errorInResponse, GatewayResponse, isPage, proxyError, type ResponseSource } from './responseError.js';

/** The settings that all requests of a client share. */
export interface JsonWireSettings {
  /** The headers of each request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The longest message of a stream, in bytes. */
  readonly maxResponseBytes: number;
}

/** The settings with which a streamed response is read. */
export interface Reading<A> {
  readonly codec: ResponseCodec<A>;
  /** Whether whole objects are emitted, and not only their `result`. */
  readonly raw?: boolean | undefined;
  /** The longest message, in bytes. */
  readonly maxBytes: number;
  readonly where: ResponseSource;
  readonly onRevision?: ((revision: number) => void) | undefined;
}

/** Decodes the messages of a streamed response as they arrive. */
export type ReadMessages = <A>(parts: Observable<StreamPart>, reading: Reading<A>) => Observable<A>;

/**
 * The header that requires a leader. With this header, a member without a leader rejects a call with `NoLeader`, and
 * ends a stream with `NoLeader` after a while. Without this header, a watch on such a member receives no events,
 * although its heartbeats get responses.
 */
const NEEDS_LEADER = { 'grpc-metadata-hasleader': 'true' } as const;

/** The headers for unconfirmed servers. The client's own headers are not sent to them, as they may contain secrets. */
const PLAIN_HEADERS = { 'content-type': 'application/json', 'user-agent': 'rxetcd' } as const;

/**
 * The maximum length of a message in a stream from an unconfirmed server. Such a message should have only a header and
 * a few fields.
 */
const MAX_UNCONFIRMED_BYTES = 64 * 1024;

/** The properties of an RPC that a request needs. */
type Form = Pick<Rpc<never, unknown>, 'name' | 'path' | 'safety' | 'needsLeader' | 'headers' | 'replaces'>;

/** The path of an RPC that changes nothing, whatever the request is. */
const READ_PATH = '/kv/range';

/**
 * Creates the wire for etcd's JSON gateway, over a transport for HTTP.
 *
 * @param readMessages reads streamed responses. A page loads this function together with the code that needs it
 */
export function jsonWire(http: Transport, { headers, maxResponseBytes }: JsonWireSettings, readMessages: ReadMessages): Wire {
  const leaderHeaders = { ...headers, ...NEEDS_LEADER };

  function headersFor({ credential: { token }, unconfirmed }: Destination, { needsLeader, headers: ofCall }: Form): HttpRequest['headers'] {
    if (unconfirmed === true) return PLAIN_HEADERS;
    const usual = needsLeader === true ? leaderHeaders : headers;
    const own = ofCall === undefined ? usual : { ...usual, ...ofCall };
    return token === undefined ? own : { ...own, authorization: token };
  }

  function post(form: Form, body: string, { to, patient, onSent, onReceived }: Attempt): HttpRequest {
    const { name, path, safety, replaces } = form;
    return {
      origin: to.endpoint.origin,
      endpoint: to.endpoint.address,
      method: 'POST',
      path: to.info.prefix + path,
      headers: headersFor(to, form),
      hasOwnHeaders: form.headers !== undefined,
      body,
      readPath: safety === 'write' ? to.info.prefix + READ_PATH : undefined,
      rpc: name,
      patient,
      replaces,
      onSent,
      onReceived,
    };
  }

  return {
    unary: <In, A>(rpc: Rpc<In, A>, request: In) => {
      const body = requestText(rpc, request);
      return (attempt: CallAttempt<A>) => {
        const parts = rpc.list && new ListReader(rpc.list);
        const read = (response: HttpResponse): A => {
          const where = sourceOf(rpc.name, attempt.to);
          const json = parseResponse(response, where);
          attempt.onRevision?.(revisionOf(json));
          const decoded = decode(rpc.response, rpc.raw === true ? rawResponse(response) : json, where);
          const message = parts === undefined ? decoded : parts.complete(decoded);
          attempt.onResponse?.(message);
          return message;
        };
        return http.exchange(post(rpc, body, attempt), { read, recover: attempt.recover, parts });
      };
    },

    stream: <In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>) => {
      const body = requestText(rpc, request);
      const rest = later && { body: requestText(rpc, later.request), afterMs: later.afterMs };
      return (attempt: Attempt) => {
        const { to, onRevision } = attempt;
        const maxBytes = to.unconfirmed === true ? MAX_UNCONFIRMED_BYTES : maxResponseBytes;
        const reading = { codec: rpc.response, raw: rpc.raw, maxBytes, where: sourceOf(rpc.name, to), onRevision };
        const sent = post(rpc, body, attempt);
        return readMessages(http.stream(rest === undefined ? sent : { ...sent, rest }), reading);
      };
    },

    duplex: <In, A>(rpc: Rpc<In, A>, { to, transport, onRevision, onLateOpen }: DuplexAttempt<In>) =>
      new Observable<DuplexEvent<In, A>>((subscriber) => {
        const parts = http.duplex({
          transport,
          origin: to.endpoint.origin,
          endpoint: to.endpoint.address,
          path: to.info.prefix + rpc.path,
          // etcd's proxy for WebSockets does not pass on this header.
          headers: rpc.needsLeader === true && transport === 'http2' ? leaderHeaders : headers,
          token: to.credential.token,
          rpc: rpc.name,
          knownEtcd: to.endpoint.knownEtcd,
          onLateOpen: onLateOpen && ((send) => onLateOpen((request) => send(requestText(rpc, request)))),
        });
        return parts.subscribe(eventsTo(subscriber, rpc, sourceOf(rpc.name, to), onRevision));
      }),

    get: ({ to, path, name, headers: ofCall, onSent, onReceived }: PlainRequest): Observable<PlainResponse> =>
      http.exchange<PlainResponse>(
        {
          origin: to.endpoint.origin,
          endpoint: to.endpoint.address,
          method: 'GET',
          path,
          headers: to.unconfirmed === true ? PLAIN_HEADERS : { ...headers, ...ofCall },
          hasOwnHeaders: ofCall !== undefined,
          rpc: name,
          onSent,
          onReceived,
        },
        { read: (response) => new GatewayResponse(response, sourceOf(name, to)), recover: rethrow },
      ),

    release: (origin) => http.release(origin),
    renew: (origin) => http.renew(origin),
    close: () => http.close(),
  };
}

/** Returns a response as it arrived, without decoding it. */
const rawResponse = ({ status, headers = {}, body }: HttpResponse): RawResponse => ({
  status,
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, value = '']) => [name, typeof value === 'string' ? value : value.join(', ')]),
  ),
  body,
});

/** Creates an observer for the parts of a bidirectional stream. It encodes the requests and decodes the responses. */
function eventsTo<In, A>(
  observer: Observer<DuplexEvent<In, A>>,
  rpc: Rpc<In, A>,
  where: ResponseSource,
  onRevision: DuplexAttempt['onRevision'],
): Pick<Observer<DuplexPart>, 'next' | 'error'> {
  const receive = (json: unknown): void => {
    let message: A;
    try {
      if (onRevision !== undefined && isRecord(json)) onRevision(revisionOf(json['result']));
      message = parseStreamMessage(rpc.response, json, where);
    } catch (error) {
      return observer.error(error);
    }
    observer.next({ type: 'message', message });
  };
  return {
    next: (part) => {
      if (part.type === 'message') receive(part.json);
      else if (part.type === 'partial') observer.next(PARTIAL);
      else observer.next({ type: 'open', send: (request) => part.send(requestText(rpc, request)) });
    },
    error: (error: unknown) => observer.error(error),
  };
}

const sourceOf = (rpc: string, { endpoint: { address, knownEtcd } }: Pick<Destination, 'endpoint'>): ResponseSource => ({
  rpc,
  endpoint: address,
  knownEtcd,
});

const rethrow = (failure: unknown): Observable<never> => throwError(() => failure);

/**
 * Reads a unary response as JSON, without decoding it.
 * @throws EtcdError with the error that the server or a proxy sent, or `MalformedResponse`
 */
export function parseResponse(response: HttpResponse, where: ResponseSource): unknown {
  if (response.status !== 200) throw errorInResponse(response, where);
  const json = jsonIn(response.body);
  if (json === undefined)
    throw isPage(response.body) ? proxyError(response, where) : new EtcdError('MalformedResponse', 'the response is not JSON', where);
  // In a codec every field may be missing. So a codec would accept an error with the status 200 as an empty response.
  if (isRecord(json) && (json['error'] !== undefined || json['code'] !== undefined)) {
    const error = errorInJson(json, where);
    if (error !== undefined) throw error;
    if (hasError(json)) throw unreadableError(where);
  }
  return json;
}

/** Returns whether a response has an error, in any form. Some gateways write `null` if there is no error. */
const hasError = ({ error }: Readonly<Record<string, unknown>>): boolean => error !== undefined && error !== null;

const unreadableError = (where: ErrorDetails): EtcdError =>
  new EtcdError('MalformedResponse', "the response has an error that is not in etcd's form", where);

/**
 * Decodes the response in a message of a stream, `{ result }` or `{ error }`.
 *
 * @param raw whether the whole object is decoded, and not only its `result`
 * @throws EtcdError as {@link parseResponse} does
 */
export function parseStreamMessage<A>(codec: ResponseCodec<A>, json: unknown, where: ErrorDetails, raw = false): A {
  if (isRecord(json) && json['result'] !== undefined && !hasError(json)) return decode(codec, raw ? json : json['result'], where);
  throw errorInJson(json, where) ?? new EtcdError('MalformedResponse', 'a message of the stream has neither result nor error', where);
}

/**
 * Decodes a response.
 * @throws EtcdError `MalformedResponse`
 */
export function decode<A>(codec: ResponseCodec<A>, json: unknown, where: ErrorDetails): A {
  let failures: readonly string[];
  try {
    const response = codec.read(json);
    if (response !== INVALID) return response;
    failures = failuresOf(codec.explain(json, []));
  } catch (error) {
    failures = [tooDeep(error)];
  }
  throw new EtcdError('MalformedResponse', `the response does not match etcd's API: ${failures.slice(0, 5).join('; ')}`, where);
}

/**
 * Returns the revision in the header of a response, or 0 if the header has no revision. The response was not checked
 * yet, so it may contain any number. An invalid number must not make all later responses look old.
 */
export function revisionOf(response: unknown): number {
  const header = isRecord(response) ? response['header'] : undefined;
  const given = isRecord(header) ? header['revision'] : undefined;
  const revision = typeof given === 'string' || typeof given === 'number' ? Number(given) : 0;
  return Number.isSafeInteger(revision) ? revision : 0;
}
