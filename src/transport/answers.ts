import { isRecord } from '../codec/message.js';
import type { ResponseCodec } from '../codec/rpc.js';
import { INVALID } from '../codec/wire.js';
import { EtcdError, type ErrorDetails } from '../errors/index.js';
import { failuresOf } from '../model/failures.js';
import { errorInJson, errorInResponse } from './json/response.js';
import type { HttpResponse } from './http/transport.js';

/** What a unary response says, not yet decoded. @throws EtcdError what the server said instead of an answer, or `MalformedResponse` */
export function answerIn(response: HttpResponse, where: ErrorDetails): unknown {
  if (response.status !== 200) throw errorInResponse(response, where);
  let json: unknown;
  try {
    json = JSON.parse(response.body);
  } catch {
    throw new EtcdError('MalformedResponse', 'the answer is not JSON', where);
  }
  // To a codec, for which every field can be left out, an error with the wrong status would be an empty answer.
  if (isRecord(json) && (json['error'] !== undefined || json['code'] !== undefined)) {
    const error = errorInJson(json, where);
    if (error !== undefined) throw error;
  }
  return json;
}

/** The answer in a message of a stream, `{ result }` or `{ error }`. @throws as {@link answerIn} */
export function readStreamMessage<A>(codec: ResponseCodec<A>, json: unknown, where: ErrorDetails): A {
  if (isRecord(json) && json['result'] !== undefined) return decode(codec, json['result'], where);
  throw errorInJson(json, where) ?? new EtcdError('MalformedResponse', 'a message of the stream has neither result nor error', where);
}

/** @throws EtcdError `MalformedResponse` */
export function decode<A>(codec: ResponseCodec<A>, json: unknown, where: ErrorDetails): A {
  const answer = codec.read(json);
  if (answer !== INVALID) return answer;
  const failures = failuresOf(codec.explain(json, []));
  throw new EtcdError('MalformedResponse', `the answer is not what etcd's API says: ${failures.slice(0, 5).join('; ')}`, where);
}
