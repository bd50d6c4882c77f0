import { asyncScheduler, catchError, defer, finalize, map, NEVER, switchMap, throwError, timer, type Observable } from 'rxjs';
import { runInVirtualTime } from '../virtualTime.js';
import { kvRpcs } from '../../../src/codec/kv.js';
import { EtcdError, isEtcdError, type Reason } from '../../../src/errors/index.js';
import { settingsOf } from '../../../src/options/clientOptions.js';
import type { LeaseActivity } from '../../../src/transport/endpoints/activity.js';
import type { Caller, CallOptions } from '../../../src/transport/call.js';
import { createCaller, type CallerSettings, type ClosableCaller } from '../../../src/transport/caller.js';
import { jsonWire } from '../../../src/transport/json/jsonWire.js';
import { messagesOf } from '../../../src/transport/json/streamMessages.js';
import type { HttpRequest, HttpResponse, StreamPart, Transport } from '../../../src/transport/http/transport.js';

/** Decides what happens to a request. It calls `onSent` when the request is sent. */
export type Script = (request: HttpRequest) => Observable<HttpResponse>;

export const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };

/** The request is sent, and the response arrives after this many milliseconds. */
export const reply =
  (status: number, body: unknown = { header }, afterMs = 1): Script =>
  ({ onSent }) => {
    onSent?.();
    return timer(afterMs).pipe(map(() => ({ status, body: typeof body === 'string' ? body : JSON.stringify(body) })));
  };

/** The request is sent, and the server rejects it with this error. */
export const refuse = (error: string, code: number, status = 400): Script => reply(status, { error, code });

/** There is no connection, so the request is not sent. */
export const unreachable: Script = ({ rpc, origin }) =>
  timer(1).pipe(
    map(() => {
      throw new EtcdError('Unreachable', 'no connection', { rpc, endpoint: origin });
    }),
  );

/** The request is sent, and then the connection breaks. */
export const lost =
  (afterMs = 1): Script =>
  ({ rpc, origin, onSent }) => {
    onSent?.();
    return timer(afterMs).pipe(
      map(() => {
        throw new EtcdError('ConnectionLost', 'no answer', { rpc, endpoint: origin });
      }),
    );
  };

/** The request is sent, and never gets a response. */
export const silent: Script = ({ onSent }) => {
  onSent?.();
  return NEVER;
};

/** The request waits for a connection, and never gets one. */
export const queued: Script = () => NEVER;

/** Uses one script after another; the last one repeats. */
export function inTurn(...scripts: readonly [Script, ...Script[]]): Script {
  let next = 0;
  return (request) => (scripts[Math.min(next++, scripts.length - 1)] ?? scripts[0])(request);
}

/** A scripted transport, in real or virtual time. By default `GET /version` and `GET /health` succeed. */
export interface ScriptedTransport extends Transport {
  /** The requests of calls, without those for versions and health. */
  readonly posts: HttpRequest[];
  readonly versionRequests: HttpRequest[];
  /** The health checks of endpoints that are set aside. */
  readonly checks: HttpRequest[];
  /** The endpoints whose connections were released. */
  readonly released: string[];
  health: Script;
  /** Requests that have neither ended nor been aborted. */
  live: number;
  /** The responses to streamed calls. */
  streams: (request: HttpRequest) => Observable<StreamPart>;
}

export function scriptedTransport(
  script: Script,
  version: Script = reply(200, { etcdserver: '3.5.0', etcdcluster: '3.5.0' }),
): ScriptedTransport {
  const isCheck = ({ path }: HttpRequest): boolean => path.includes('/health?');
  const logOf = (request: HttpRequest): HttpRequest[] => {
    if (request.path.endsWith('/version')) return transport.versionRequests;
    return isCheck(request) ? transport.checks : transport.posts;
  };
  const scriptOf = (request: HttpRequest): Script => {
    if (request.path.endsWith('/version')) return version;
    return isCheck(request) ? transport.health : script;
  };
  const track = <T>(request: HttpRequest, run: () => Observable<T>): Observable<T> =>
    defer(() => {
      logOf(request).push(request);
      transport.live += 1;
      return run();
    }).pipe(finalize(() => (transport.live -= 1)));
  const transport: ScriptedTransport = {
    posts: [],
    versionRequests: [],
    checks: [],
    released: [],
    health: reply(200, { health: 'true' }),
    live: 0,
    streams: () => throwError(() => new Error('this test has no streams')),
    exchange: (request, { read, recover }) => track(request, () => scriptOf(request)(request)).pipe(map(read), catchError(recover)),
    stream: (request) => track(request, () => transport.streams(request)),
    duplex: () => throwError(() => new Error('this test has no streams both ways')),
    release: (origin) => void transport.released.push(origin),
    renew: (origin) => void transport.released.push(origin),
    close: () => Promise.resolve(),
  };
  return transport;
}

export const A = 'http://a:1';
export const B = 'http://b:1';

export function callerOf(transport: Transport, settings: Partial<CallerSettings> = {}, leases?: LeaseActivity): ClosableCaller {
  const all = { ...settingsOf({ attemptTimeoutMs: 1_500 }), endpoints: [A], ...settings };
  return createCaller(jsonWire(transport, all, messagesOf), all, undefined, leases);
}

/** The outcome of a call: its value, or the reason of its error. */
export const outcome = (error: unknown): Reason => {
  if (isEtcdError(error)) return error.reason;
  throw error;
};

export { runInVirtualTime };

/** How a call ended, and when, in milliseconds of virtual time. */
export interface End {
  outcome: string;
  at: number;
  error?: unknown;
}

/** Runs calls that begin at the same virtual time until all have ended. */
export function settle(...calls: readonly Observable<string>[]): End[] {
  const ends: End[] = [];
  runInVirtualTime(({ flush }) => {
    const started = asyncScheduler.now();
    const at = (): number => asyncScheduler.now() - started;
    calls.forEach((call, index) =>
      call.subscribe({
        next: (value) => (ends[index] = { outcome: value, at: at() }),
        error: (error: unknown) => (ends[index] = { outcome: outcome(error), at: at(), error }),
      }),
    );
    flush();
  });
  return ends;
}

/** A read whose result is `ok`. */
export const get = (caller: Caller, options?: CallOptions): Observable<string> =>
  caller.unary(kvRpcs.range, { key: 'a' }, options).pipe(map(() => 'ok'));

/** A write whose result is `ok`. */
export const put = (caller: Caller, options?: CallOptions): Observable<string> =>
  caller.unary(kvRpcs.put, { key: 'a', value: 'b' }, options).pipe(map(() => 'ok'));

/** A call that begins later. */
export const after = (ms: number, call: () => Observable<string>): Observable<string> => timer(ms).pipe(switchMap(call));
