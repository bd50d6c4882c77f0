import * as E from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { map, type Observable } from 'rxjs';
import { parseMetrics, type MetricFamily } from './codec/metrics.js';
import { ServerHealth, ServerVersion } from './codec/serverInfo.js';
import { EtcdError } from './errors/index.js';
import { failuresOf } from './model/failures.js';
import type { Caller, CallOptions } from './transport/call.js';
import type { HttpResponse } from './transport/transport.js';

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
  const metricsText: ServerInfoService['metricsText'] = (options) =>
    caller.get('/metrics', options).pipe(map((response) => okBody('/metrics', response)));
  return {
    version: (options) =>
      caller.get('/version', options).pipe(map((response) => decodeJson('/version', ServerVersion, okBody('/version', response)))),
    // Unhealthy is 503, with the same JSON.
    health: (options) => caller.get('/health', options).pipe(map(({ body }) => decodeJson('/health', ServerHealth, body))),
    metrics: (options) => metricsText(options).pipe(map(parseMetrics)),
    metricsText,
  };
}

function okBody(path: string, { status, body }: HttpResponse): string {
  if (status !== 200) throw new EtcdError('MalformedResponse', `HTTP ${status}`, { rpc: `GET ${path}` });
  return body;
}

function decodeJson<A>(path: string, codec: Decoder<unknown, A>, body: string): A {
  const fail = (problem: string): never => {
    throw new EtcdError('MalformedResponse', problem, { rpc: `GET ${path}` });
  };
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return fail('the answer is not JSON');
  }
  const decoded = codec.decode(json);
  return E.isRight(decoded) ? decoded.right : fail(failuresOf(decoded.left).join('; '));
}
