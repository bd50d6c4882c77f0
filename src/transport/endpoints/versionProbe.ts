import { catchError, map, throwError, timeout, type Observable } from 'rxjs';
import { EtcdError, hasReason, UnsupportedServerVersionError, type ErrorDetails } from '../../errors/index.js';
import type { ServerInfo } from '../endpoint.js';
import { errorInResponse } from '../json/response.js';
import type { HttpResponse } from '../http/transport.js';
import { gatewayPrefix, OLDEST, parseVersion } from './version.js';

/**
 * What a server says of itself at `GET /version`.
 *
 * @param apiPrefix where its gateway is, if the user said so; then a server that hides its version (behind a proxy, say) is taken for a new one
 */
export function discoverServer(response: Observable<HttpResponse>, origin: string, apiPrefix: string | undefined): Observable<ServerInfo> {
  return response.pipe(
    // All that a server which speaks TLS has to say to one who does not.
    catchError((error: unknown) =>
      throwError(() =>
        hasReason(error, 'ConnectionLost') && origin.startsWith('http:')
          ? new EtcdError(error.reason, 'no answer: the connection was closed. If the server speaks TLS, the endpoint has to be https', {
              rpc: error.rpc,
              endpoint: origin,
              cause: error.cause,
            })
          : error,
      ),
    ),
    map(({ status, body }) => {
      const text = status === 200 ? versionIn(body) : undefined;
      const version = text === undefined ? undefined : parseVersion(text);
      if (apiPrefix !== undefined) return { version, prefix: apiPrefix };
      const where = { rpc: 'GET /version', endpoint: origin };
      // A proxy that does not reach it, say: the next endpoint may do better.
      if (status >= 502 && status <= 504) throw errorInResponse({ status, body }, where);
      if (version === undefined)
        throw new EtcdError(
          'MalformedResponse',
          `HTTP ${status} without a version of etcd: is this an etcd? If it is, set apiPrefix`,
          where,
        );
      const prefix = gatewayPrefix(version);
      if (prefix === undefined) throw new UnsupportedServerVersionError('rxetcd', { ...where, required: OLDEST, found: version.text });
      return { version, prefix };
    }),
  );
}

/** An answer that all share who wait for it: they come and go, and would wait for ever for one that was lost. */
export function lostAfter<T>(ms: number, answer: Observable<T>, where: ErrorDetails): Observable<T> {
  if (ms === Infinity) return answer;
  return answer.pipe(
    timeout({ first: ms, with: () => throwError(() => new EtcdError('Unreachable', `nothing was heard for ${ms} ms`, where)) }),
  );
}

/**
 * Whether a server serves, by what it says at `GET /health`: it reads with a quorum for that, which `GET /version` does not tell. One that has no such path answers
 * all the same.
 */
export function checkServer(response: Observable<HttpResponse>, origin: string): Observable<void> {
  return response.pipe(
    map(({ status, body }) => {
      if (status >= 500) throw errorInResponse({ status, body }, { rpc: 'GET /health', endpoint: origin });
    }),
  );
}

function versionIn(body: string): string | undefined {
  try {
    const { etcdserver } = JSON.parse(body) as { etcdserver?: unknown };
    return typeof etcdserver === 'string' ? etcdserver : undefined;
  } catch {
    return undefined;
  }
}
