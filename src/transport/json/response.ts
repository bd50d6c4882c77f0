import { Observable } from 'rxjs';
import { type ResponseCodec, INVALID } from '../../codec/descriptors.js';
import { JsonStream } from '../../model/jsonStream.js';
import { type AnswerSource, isPage, pageError, refusePage } from './pageError.js';
import { type ErrorDetails, EtcdError, GRPC_CODES, grpcCode, reasonOf, serverError } from '../../errors/index.js';
import type { HttpResponse, StreamPart } from '../http/transport.js';
import { isRecord } from '../../codec/message.js';
import { failuresOf, jsonIn, tooDeep } from '../../model/validate.js';

/**
 * Reads a unary response as JSON, without decoding it.
 * @throws EtcdError the error that the server sent instead, or `MalformedResponse`
 */
export function answerIn(response: HttpResponse, where: AnswerSource): unknown {
  if (response.status !== 200) throw errorInResponse(response, where);
  const json = jsonIn(response.body);
  if (json === undefined)
    throw isPage(response.body) ? pageError(response, where) : new EtcdError('MalformedResponse', 'the answer is not JSON', where);
  // To a codec, which allows every field to be missing, an error with the wrong status would be an empty response.
  if (isRecord(json) && (json['error'] !== undefined || json['code'] !== undefined)) {
    const error = errorInJson(json, where);
    if (error !== undefined) throw error;
    if (hasError(json)) throw unreadableError(where);
  }
  return json;
}

/** Returns whether a response has an error of any form. Some gateways write `null` if there is none. */
const hasError = ({ error }: Readonly<Record<string, unknown>>): boolean => error !== undefined && error !== null;

const unreadableError = (where: ErrorDetails): EtcdError =>
  new EtcdError('MalformedResponse', "the answer has an error in it that is not in etcd's form", where);

/**
 * Decodes the response in a message of a stream, `{ result }` or `{ error }`.
 *
 * @param raw whether the whole object is decoded, instead of its `result`
 * @throws EtcdError as {@link answerIn} does
 */
export function readStreamMessage<A>(codec: ResponseCodec<A>, json: unknown, where: ErrorDetails, raw = false): A {
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
    const answer = codec.read(json);
    if (answer !== INVALID) return answer;
    failures = failuresOf(codec.explain(json, []));
  } catch (error) {
    failures = [tooDeep(error)];
  }
  throw new EtcdError('MalformedResponse', `the answer is not what etcd's API says: ${failures.slice(0, 5).join('; ')}`, where);
}

/**
 * Reads the error in the JSON of a response. It goes by the shape, as distributions replace gateways. A unary response
 * has `{error, code}`, `{error, message, code}` or `{code, message}`, and a stream has
 * `{error: {grpc_code | code, message}}`. Returns undefined for anything that is not an error.
 */
export function errorInJson(json: unknown, details: ErrorDetails): EtcdError | undefined {
  if (!isRecord(json)) return undefined;
  const inner = isRecord(json['error']) ? json['error'] : json;
  const text = inner['message'] ?? inner['error'];
  const number = inner['grpc_code'] ?? inner['code'];
  if (typeof text !== 'string') return undefined;
  return serverError(text, typeof number === 'number' ? grpcCode(number) : 'Unknown', details);
}

/**
 * A gateway from 3.4 on sends this as plain text, before it looks at anything else. It would otherwise take the name in
 * the certificate for that of a user, as etcd itself does.
 */
const COMMON_NAME = 'CommonName of client sending a request against gateway';
const COMMON_NAME_ADVICE =
  'while auth is on, the server refuses a client certificate with a common name (CN). Nothing was done. Show one without, and say who you are by the option auth';

/** The default response of Go's HTTP server. A gateway sends another one for a path that it does not know. */
const GO_404 = '404 page not found';
const NO_GATEWAY =
  'there is no JSON gateway at this path (HTTP 404): a peer port, a grpc-proxy, and a server with --enable-grpc-gateway=false have none; use a client URL of a member, and check the option apiPrefix';

/** Returns the error of an HTTP response, whatever its body. */
export function errorInResponse(response: HttpResponse, source: AnswerSource): EtcdError {
  const { status, body } = response;
  const details = { ...source, status };
  const json = jsonIn(body);
  const error = isGatewayError(json) ? errorInJson(json, details) : undefined;
  // For an unknown path, gateway v2 sends NotFound in the shape of etcd's errors.
  const unknownPath = status === 404 && (error === undefined || (error.reason === 'Unknown' && error.code === 'NotFound'));
  if (unknownPath)
    return new EtcdError('UnknownMethod', body.trim() === GO_404 ? NO_GATEWAY : 'the server does not know this path', details);
  if (error !== undefined) return error;
  if (status === 400 && body.startsWith(COMMON_NAME)) return new EtcdError('CommonNameRefused', COMMON_NAME_ADVICE, details);
  return pageError(response, details);
}

/**
 * Returns whether JSON is an error in the shape of etcd's gateways, which give a gRPC code. API gateways send
 * `{"message":"…"}` alone, or give an HTTP status as the code.
 */
function isGatewayError(json: unknown): boolean {
  if (!isRecord(json)) return false;
  const inner = isRecord(json['error']) ? json['error'] : json;
  const number = inner['grpc_code'] ?? inner['code'];
  if (typeof number === 'number') return number in GRPC_CODES;
  const text = inner['message'] ?? inner['error'];
  return typeof text === 'string' && reasonOf(text) !== undefined;
}

/**
 * Returns the revision in the header of a response, or 0 if it has none. A response that was not decoded can hold
 * anything, and must not make all others look old.
 */
export function revisionOf(answer: unknown): number {
  const header = isRecord(answer) ? answer['header'] : undefined;
  const given = isRecord(header) ? header['revision'] : undefined;
  const revision = typeof given === 'string' || typeof given === 'number' ? Number(given) : 0;
  return Number.isSafeInteger(revision) ? revision : 0;
}

/** How a streamed response is read. */
interface Reading<A> {
  readonly codec: ResponseCodec<A>;
  /** Whether the objects are emitted whole, `result` included. */
  readonly raw?: boolean | undefined;
  /** The longest message, in bytes. */
  readonly maxBytes: number;
  readonly where: AnswerSource;
  readonly onRevision?: ((revision: number) => void) | undefined;
}

/** Decodes the messages of a streamed response as they arrive. */
export function messagesOf<A>(parts: Observable<StreamPart>, { codec, raw, maxBytes, where, onRevision }: Reading<A>): Observable<A> {
  return new Observable((subscriber) => {
    const json = new JsonStream(maxBytes, where);
    const guarded = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        subscriber.error(error);
      }
    };
    let empty = true;
    let begun = false;
    const emit = (messages: readonly unknown[]): void => {
      for (const message of messages) {
        // A subscriber that took what it wanted need not pay for the rest of the chunk.
        if (subscriber.closed) return;
        if (isRecord(message)) onRevision?.(revisionOf(message['result']));
        subscriber.next(readStreamMessage(codec, message, where, raw));
        empty = false;
      }
    };
    return parts.subscribe({
      next: (part) =>
        guarded(() => {
          if (part.type === 'refused') throw errorInResponse(part.response, where);
          if (!begun) refusePage(part.bytes, where);
          begun = true;
          emit(json.push(part.bytes));
        }),
      error: (error: unknown) => subscriber.error(error),
      complete: () =>
        guarded(() => {
          emit(json.end());
          if (empty) throw new EtcdError('ConnectionLost', 'the stream ended without an answer', where);
          subscriber.complete();
        }),
    });
  });
}
