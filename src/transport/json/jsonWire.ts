import { Observable, type Observer, throwError } from 'rxjs';
import { isRecord } from '../../codec/message.js';
import { requestText, type Rpc, type LongList } from '../../codec/descriptors.js';
import type { EtcdError } from '../../errors/index.js';
import { type DuplexPart, type HttpRequest, type HttpResponse, PARTIAL, type Transport } from '../http/transport.js';
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
import { type AnswerSource, isPage, pageError, targetOf } from './pageError.js';
import { answerIn, decode, errorInResponse, messagesOf, readStreamMessage, revisionOf } from './response.js';
import { isAscii, joinBytes, longText } from '../../model/bytes.js';
import { jsonIn } from '../../model/validate.js';

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
type Form = Pick<Rpc<never, unknown>, 'name' | 'path' | 'needsLeader' | 'headers' | 'replaces'>;

/** Makes the wire that speaks to etcd's JSON gateway, over a transport for HTTP. */
export function jsonWire(http: Transport, { headers, maxResponseBytes }: JsonWireSettings): Wire {
  const leaderHeaders = { ...headers, ...NEEDS_LEADER };

  function headersFor({ credential: { token }, unconfirmed }: Destination, { needsLeader, headers: ofCall }: Form): HttpRequest['headers'] {
    if (unconfirmed === true) return PLAIN_HEADERS;
    const usual = needsLeader === true ? leaderHeaders : headers;
    const own = ofCall === undefined ? usual : { ...usual, ...ofCall };
    return token === undefined ? own : { ...own, authorization: token };
  }

  function post(form: Form, body: string, { to, patient, onSent, onReceived }: Attempt): HttpRequest {
    const { name, path, replaces } = form;
    return {
      origin: to.endpoint.origin,
      endpoint: to.endpoint.address,
      method: 'POST',
      path: to.info.prefix + path,
      headers: headersFor(to, form),
      hasOwnHeaders: form.headers !== undefined,
      body,
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
          const json = answerIn(response, where);
          attempt.onRevision?.(revisionOf(json));
          const decoded = decode(rpc.response, rpc.raw === true ? rawResponse(response) : json, where);
          const answer = parts === undefined ? decoded : parts.complete(decoded);
          attempt.onResponse?.(answer);
          return answer;
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
        return messagesOf(http.stream(rest === undefined ? sent : { ...sent, rest }), reading);
      };
    },

    duplex: <In, A>(rpc: Rpc<In, A>, { to, transport, onRevision }: DuplexAttempt) =>
      new Observable<DuplexEvent<In, A>>((subscriber) => {
        const parts = http.duplex({
          transport,
          origin: to.endpoint.origin,
          endpoint: to.endpoint.address,
          path: to.info.prefix + rpc.path,
          // etcd's proxy for WebSockets does not pass on such a header.
          headers: rpc.needsLeader === true && transport === 'http2' ? leaderHeaders : headers,
          token: to.credential.token,
          rpc: rpc.name,
          knownEtcd: to.endpoint.knownEtcd,
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
    close: () => http.close(),
  };
}

/** Returns a response as it arrived. */
const rawResponse = ({ status, headers = {}, body }: HttpResponse): RawResponse => ({
  status,
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, value = '']) => [name, typeof value === 'string' ? value : value.join(', ')]),
  ),
  body,
});

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

/**
 * The length of a part, in bytes. Shorter parts are not worth it; longer ones would make a turn of the event loop long.
 * From 128 KiB on V8 allocates each string separately: reading 256 KiB cost three times as much for each KiB.
 */
const PART_BYTES = 2 ** 16;
/** More bytes than a response has before its first element. */
const HEAD_BYTES = 2 ** 10;
const CLOSING_BRACE = 0x7d;
const FOLLOWING = /^\s*(?:,(?!\s*\])|(?=\]))/;

/**
 * Reads the elements of a long list while the response arrives, so that no turn of the event loop takes as long as the
 * response. A part ends at a closing brace. If it is valid JSON between brackets, it consists of whole elements.
 * Otherwise all that follows waits for the end, and the rest is then read as any response is.
 */
export class ListReader<A> {
  private readonly collected: ReturnType<LongList<A>['collect']>;
  /** Bytes that were not read yet. */
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private enoughBytes: number;
  /** The text before the first element, once it has arrived. */
  private head = '';
  /** Set when an element was read: a comma follows it, or the end of the list. */
  private begun = false;

  constructor(
    private readonly list: LongList<A>,
    private readonly partBytes = PART_BYTES,
  ) {
    this.enoughBytes = partBytes;
    this.collected = list.collect();
  }

  push(chunk: Uint8Array): void {
    this.pending.push(chunk);
    this.pendingBytes += chunk.length;
    if (this.pendingBytes >= this.enoughBytes) this.readPart(joinBytes(this.pending));
  }

  /** The text of the response without the elements that were read. */
  get text(): string {
    return this.head + this.withoutComma(longText(joinBytes(this.pending)));
  }

  /** Adds the elements that were read to the response in that text. */
  complete(answer: A): A {
    return this.begun ? this.collected.complete(answer) : answer;
  }

  private readPart(bytes: Uint8Array): void {
    if (this.head === '') {
      const [head] = this.list.head.exec(longText(bytes.subarray(0, HEAD_BYTES))) ?? [];
      if (head === undefined || !isAscii(head)) return this.wait(bytes, Infinity);
      this.head = head;
      bytes = bytes.subarray(head.length);
    }
    const end = bytes.lastIndexOf(CLOSING_BRACE) + 1;
    // A single element has begun, and is longer than this. Looking again at each chunk of it would take quadratic time.
    if (end === 0) return this.wait(bytes, 2 * bytes.length);
    const elements = jsonIn(`[${this.withoutComma(longText(bytes.subarray(0, end)))}]`);
    if (elements === undefined || !this.collected.add(elements)) return this.wait(bytes, Infinity);
    this.begun = true;
    const rest = bytes.subarray(end);
    this.wait(rest, Math.max(this.partBytes, 2 * rest.length));
  }

  private wait(bytes: Uint8Array, enoughBytes: number): void {
    this.pending = [bytes];
    this.pendingBytes = bytes.length;
    this.enoughBytes = enoughBytes;
  }

  /**
   * Removes the comma after the elements that were read: another element follows it, or the end of the list. Anything
   * else is left invalid as JSON.
   */
  private withoutComma(text: string): string {
    if (!this.begun) return text;
    return FOLLOWING.test(text) ? text.replace(FOLLOWING, '') : `,${text}`;
  }
}
