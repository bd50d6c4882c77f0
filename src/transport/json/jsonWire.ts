import { Observable, type Observer, throwError } from 'rxjs';
import { isRecord } from '../../codec/message.js';
import { requestText, type Rpc } from '../../codec/rpc.js';
import type { EtcdError } from '../../errors/index.js';
import { type DuplexPart, type HttpRequest, type HttpResponse, PARTIAL, type Transport } from '../http/transport.js';
import type { Attempt, CallAttempt, Destination, DuplexAttempt, DuplexEvent, Later, PlainRequest, PlainResponse, Wire } from '../wire.js';
import { ListReader } from './listReader.js';
import { type AnswerSource, isPage, pageError, targetOf } from './pageError.js';
import { answerIn, decode, errorInResponse, messagesOf, readStreamMessage, revisionOf } from './response.js';

/** The settings that all requests of a client share. */
export interface JsonWireSettings {
  /** The headers of each request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The longest message of a stream, in bytes. */
  readonly maxResponseBytes: number;
}

/**
 * Makes a member that has lost the others refuse a call with `NoLeader`, and end a stream with it after a while.
 * Without this header, the member does what it still can: a watch stands still, and yet its heartbeats get a response.
 */
const NEEDS_LEADER = { 'grpc-metadata-hasleader': 'true' } as const;

/** Sent to unconfirmed servers in place of the client's own headers, which may contain secrets. */
const PLAIN_HEADERS = { 'content-type': 'application/json', 'user-agent': 'rxetcd' } as const;

/** Limits the messages of an unconfirmed server, of which a header and a few fields are expected. */
const MAX_UNCONFIRMED_BYTES = 64 * 1024;

/** The form of an RPC that a request needs. */
type Form = Pick<Rpc<never, unknown>, 'name' | 'path' | 'needsLeader'>;

/** Makes the wire that speaks to etcd's JSON gateway, over a transport that carries HTTP. */
export function jsonWire(transport: Transport, { headers, maxResponseBytes }: JsonWireSettings): Wire {
  const leaderHeaders = { ...headers, ...NEEDS_LEADER };

  function headersFor({ credential: { token }, unconfirmed }: Destination, needsLeader: boolean | undefined): HttpRequest['headers'] {
    if (unconfirmed === true) return PLAIN_HEADERS;
    const own = needsLeader === true ? leaderHeaders : headers;
    return token === undefined ? own : { ...own, authorization: token };
  }

  function post({ name, path, needsLeader }: Form, body: string, { to, patient, onSent, onReceived }: Attempt): HttpRequest {
    return {
      origin: to.endpoint.origin,
      endpoint: to.endpoint.address,
      method: 'POST',
      path: to.info.prefix + path,
      headers: headersFor(to, needsLeader),
      body,
      rpc: name,
      patient,
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
          const json = answerIn(response, where);
          attempt.onRevision?.(revisionOf(json));
          const decoded = decode(rpc.response, json, where);
          const answer = parts === undefined ? decoded : parts.complete(decoded);
          attempt.onResponse?.(answer);
          return answer;
        };
        return transport.exchange(post(rpc, body, attempt), { read, recover: attempt.recover, parts });
      };
    },

    stream: <In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>) => {
      const body = requestText(rpc, request);
      const rest = later && { body: requestText(rpc, later.request), afterMs: later.afterMs };
      return (attempt: Attempt) => {
        const { to, onRevision } = attempt;
        const maxBytes = to.unconfirmed === true ? MAX_UNCONFIRMED_BYTES : maxResponseBytes;
        const reading = { codec: rpc.response, maxBytes, where: sourceOf(rpc.name, to), onRevision };
        const sent = post(rpc, body, attempt);
        return messagesOf(transport.stream(rest === undefined ? sent : { ...sent, rest }), reading);
      };
    },

    duplex: <In, A>(rpc: Rpc<In, A>, { to, carrier, onRevision }: DuplexAttempt) =>
      new Observable<DuplexEvent<In, A>>((subscriber) => {
        const parts = transport.duplex({
          carrier,
          origin: to.endpoint.origin,
          endpoint: to.endpoint.address,
          path: to.info.prefix + rpc.path,
          // etcd's proxy for WebSockets does not pass on such a header.
          headers: rpc.needsLeader === true && carrier === 'http2' ? leaderHeaders : headers,
          token: to.credential.token,
          rpc: rpc.name,
          knownEtcd: to.endpoint.knownEtcd,
        });
        return parts.subscribe(eventsTo(subscriber, rpc, sourceOf(rpc.name, to), onRevision));
      }),

    get: ({ to, path, name, onSent, onReceived }: PlainRequest): Observable<PlainResponse> =>
      transport.exchange<PlainResponse>(
        {
          origin: to.endpoint.origin,
          endpoint: to.endpoint.address,
          method: 'GET',
          path,
          headers: to.unconfirmed === true ? PLAIN_HEADERS : headers,
          rpc: name,
          onSent,
          onReceived,
        },
        { read: (response) => new GatewayResponse(response, sourceOf(name, to)), recover: rethrow },
      ),

    release: (origin) => transport.release(origin),
    close: () => transport.close(),
  };
}

/** Returns an observer that encodes the requests and decodes the responses of a bidirectional stream. */
function eventsTo<In, A>(
  observer: Observer<DuplexEvent<In, A>>,
  rpc: Rpc<In, A>,
  where: AnswerSource,
  onRevision: DuplexAttempt['onRevision'],
): Pick<Observer<DuplexPart>, 'next' | 'error'> {
  const receive = (json: unknown): void => {
    let message: A;
    try {
      if (onRevision !== undefined && isRecord(json)) onRevision(revisionOf(json['result']));
      message = readStreamMessage(rpc.response, json, where);
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

const sourceOf = (rpc: string, { endpoint: { address, knownEtcd } }: Pick<Destination, 'endpoint'>): AnswerSource => ({
  rpc,
  endpoint: address,
  knownEtcd,
});

const rethrow = (failure: unknown): Observable<never> => throwError(() => failure);

/** An HTTP response to a plain GET. */
export class GatewayResponse implements PlainResponse {
  readonly status: number;
  readonly body: string;
  readonly location: string | undefined;

  constructor(
    { status, body, location }: HttpResponse,
    private readonly where: AnswerSource,
  ) {
    this.status = status;
    this.body = body;
    this.location = location;
  }

  get isPage(): boolean {
    return isPage(this.body);
  }

  get redirectsTo(): string | undefined {
    return targetOf(this.location, this.where.endpoint);
  }

  error(): EtcdError {
    return this.status === 200 ? this.errorOfProxy() : errorInResponse(this, this.where);
  }

  errorOfProxy(): EtcdError {
    return pageError(this, this.where);
  }
}
