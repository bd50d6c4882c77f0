import * as E from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { map, type Observable } from 'rxjs';
import { parseMetrics, type MetricFamily } from '../codec/metrics.js';
import { ServerHealth, ServerVersion } from '../codec/serverInfo.js';
import { EtcdError, type ErrorDetails } from '../errors/index.js';
import { failuresOf } from '../model/failures.js';
import type { Caller, CallOptions, PlainAnswer } from '../transport/call.js';
import { parseJson } from '../transport/parseJson.js';

/** What a server tells over plain HTTP, beside the gateway: of the endpoint in the option `endpoint`, or the next in turn. */
export interface ServerInfoService {
  /** The version of a server and of its cluster (`GET /version`). */
  version(options?: CallOptions): Observable<ServerVersion>;
  /** Whether a server is healthy (`GET /health`): an unhealthy one is no error, but `{ health: false, reason }`. */
  health(options?: CallOptions): Observable<ServerHealth>;
  /** A server's metrics (`GET /metrics`), parsed. */
  metrics(options?: CallOptions): Observable<readonly MetricFamily[]>;
  /** A server's metrics (`GET /metrics`) in Prometheus' text format. */
  metricsText(options?: CallOptions): Observable<string>;
}

/** The plain HTTP side of a server over a caller. */
export function serverInfoService(caller: Caller): ServerInfoService {
  const ask = <A>(path: string, read: (answer: PlainAnswer, where: ErrorDetails) => A, options: CallOptions | undefined): Observable<A> =>
    caller.get(path, options).pipe(map((answer) => read(answer, { rpc: `GET ${path}`, endpoint: answer.endpoint })));
  return {
    version: (options) => ask('/version', (answer, where) => decodeJson(ServerVersion, okBody(answer, where), where), options),
    // Unhealthy is 503, with the same JSON.
    health: (options) => ask('/health', ({ body }, where) => decodeJson(ServerHealth, body, where), options),
    metrics: (options) => ask('/metrics', (answer, where) => parseMetrics(okBody(answer, where), where), options),
    metricsText: (options) => ask('/metrics', okBody, options),
  };
}

function okBody({ status, body }: PlainAnswer, where: ErrorDetails): string {
  if (status !== 200) throw new EtcdError('MalformedResponse', `HTTP ${status}`, where);
  return body;
}

function decodeJson<A>(codec: Decoder<unknown, A>, body: string, where: ErrorDetails): A {
  const decoded = codec.decode(parseJson(body, where));
  if (E.isRight(decoded)) return decoded.right;
  throw new EtcdError('MalformedResponse', failuresOf(decoded.left).join('; '), where);
}
