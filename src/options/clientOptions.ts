import { isRecord } from '../codec/message.js';
import {
  checkBackoff,
  checkDiscovery,
  checkEndpoints,
  type EndpointsOption,
  type TlsSettings,
  checkGroup,
  isPath,
  TEXT,
  TIMEOUT,
  JITTER,
  checkStreams,
  type StreamOptions,
  type StreamSettings,
} from './connectionOptions.js';
import { InvalidOptionError } from '../errors/index.js';
import {
  ANYTHING,
  BOOLEAN,
  FUNCTION,
  type OptionKind,
  type OptionKinds,
  required,
  TIMER_MS,
  WHOLE,
  wholeNumber,
} from '../model/validate.js';
import { findInvalidHeader, HEADER_TEXT, withLowerNames } from '../model/headers.js';
import type { Logger } from '../model/diagnostics.js';
import type { CallerSettings } from '../transport/caller.js';
import { LONGEST_CONTACT_PAUSE_MS } from '../transport/endpoints/endpoint.js';
import { NO_RETRIES, type CallRetryOptions, type RetryPolicy } from '../transport/retryPolicy.js';
import type { Auth } from '../transport/tokenProvider.js';
import type { ConnectionSettings } from '../transport/http/transport.js';
import type { Identity } from '../concurrency/context.js';
import type { Parts } from './parts.js';
import type { Wire } from '../transport/wire.js';

/**
 * The options of `createClient`. They are checked when the client is created. If an option is invalid, the
 * `InvalidOptionError` names it. Browsers and Bun reject `connectTimeoutMs`, `maxConnections`, `keepAliveMs` and
 * `userAgent`, and browsers also reject `tls`.
 */
export interface ClientOptions {
  /**
   * The URLs of the cluster: `http://127.0.0.1:2379` by default. Use `http` for all of them, or `https` for all. An
   * endpoint may have a path, if a proxy serves etcd under this path. For example, with `https://proxy/etcd` requests
   * are sent to `https://proxy/etcd/version` and `https://proxy/etcd/v3/…`.
   */
  readonly endpoints?: EndpointsOption;
  /**
   * A user and password, or a function that returns them as a value, a Promise or an Observable. The function is called
   * before the first call, and again when the server rejects them (`AuthFailed`). So a password can be changed while
   * the client runs. Alternatively, pass `{ token }`: a token, such as a JWT, or a function that returns one. Without
   * `auth` calls carry no token.
   *
   * ```ts
   * createClient({ auth: async () => ({ username: 'app', password: await readFile('/run/secrets/etcd', 'utf8') }) });
   * ```
   */
  readonly auth?: Auth;
  /**
   * The certificates to trust and to present, as PEM or as PEM files; for `https` endpoints only. A file that changes
   * is used for later connections, as soon as its contents are complete. Certificates are always verified. Pass a
   * self-signed certificate as `ca`. If the name in a certificate differs from the endpoint's host, pass this name as
   * `serverName`.
   */
  readonly tls?: TlsSettings;
  /** The timeout for opening a connection, in milliseconds: 5 000 by default. */
  readonly connectTimeoutMs?: number;
  /**
   * The timeout of a call with all its retries, in milliseconds: 10 000 by default; `Infinity` for no limit. It is
   * counted from the time at which the call is first sent. The time before that, in which the call waits to be sent,
   * has the same limit. However, a call waits longer for a connection as long as the endpoint completes other calls.
   * RPCs that may take long, such as `Lock.Lock`, `Election.Campaign`, `Maintenance.Defragment` and
   * `Maintenance.Snapshot`, have no limit by default.
   */
  readonly requestTimeoutMs?: number;
  /**
   * The maximum number of calls that may wait to be sent: 65 536 by default. A further call fails with `TooManyPending`
   * at once. A waiting call takes about 5 kB of memory.
   */
  readonly maxPendingCalls?: number;
  /**
   * The timeout of `close()` for releasing leases, locks and the like, in milliseconds: 10 000 by default; `Infinity`
   * for no limit. With a limit, `close()` stops waiting earlier if no release is confirmed for some time. This time is
   * a fifth of the limit, and at least 2 s.
   */
  readonly closeTimeoutMs?: number;
  /**
   * The time without data after which a call is also sent to the next endpoint, in milliseconds. The default is 800;
   * `Infinity` means no limit. It applies to reads, and to writes that have not been sent. With several endpoints, the
   * time is halved from the second attempt on. It is multiplied by four whenever all endpoints have timed out, and for
   * a response that is expected to be long. If there is no other endpoint, the call is sent to the same one on a new
   * connection. The reason is that a network may have dropped the old connection without closing it. The client uses
   * the first response that arrives. With `retry: false` no call is sent again.
   */
  readonly attemptTimeoutMs?: number;
  /**
   * Whether to discover the members of the cluster, and to use the reachable members in addition to `endpoints`:
   * `false` by default. While the client is in use, their list is read every `intervalMs` milliseconds: 60 000 by
   * default, and sooner while an endpoint fails. A discovered endpoint is used when its server has identified itself as
   * that member. Before that it receives no token, no password and none of your `headers`. The user needs permission to
   * list members, which etcd 3.6.9 grants to root alone.
   */
  readonly discovery?: boolean | { readonly intervalMs?: number };
  /**
   * The policy for failed attempts. `true`, the default, uses rxetcd's own table. With `false` no call is retried. A
   * function is called for each failed attempt. An object sets the policy, the number of attempts and the pauses. With
   * any value, a write of unknown outcome fails with `AmbiguousWrite`, unless the function returns `resend`. Watches,
   * locks and leases have separate retries, which this option does not affect.
   *
   * ```ts
   * createClient({ retry: { maxAttempts: 2, initialBackoffMs: 20, maxBackoffMs: 200, jitter: 0.2 } });
   * ```
   */
  readonly retry?: boolean | RetryPolicy | CallRetryOptions;
  /**
   * The maximum number of connections to each endpoint: 64 by default. Further calls wait for a free connection.
   * Streams have separate connections, and so do calls that wait at the server, such as for a lock. Connections that no
   * longer respond do not count. They are replaced, and are closed when their calls have ended.
   */
  readonly maxConnections?: number;
  /** The time for which an idle connection is kept open, in milliseconds: 30 000 by default. */
  readonly keepAliveMs?: number;
  /**
   * The maximum length of a response, or of a message of a stream, in bytes of JSON: 128 MiB by default. The option can
   * be at most 512 MiB less 24 bytes, which is the length of V8's longest string. A longer response is not kept in
   * memory. The call fails with `ResponseTooLarge`, or with `AmbiguousWrite` if it is a write; `kv.pages` requests
   * shorter pages.
   */
  readonly maxResponseBytes?: number;
  /**
   * Headers of every request, except of requests to an endpoint that `discovery` has not confirmed yet.
   * `authorization`, `content-type`, `content-length`, `host` and similar headers are reserved, as rxetcd sets them.
   * `accept-encoding` and other headers that change the form of a response are rejected. In browsers and on Bun,
   * WebSockets carry none of these headers.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** The header `user-agent` of requests: `rxetcd` by default. */
  readonly userAgent?: string;
  /**
   * The path of the gateway, after the path of the endpoint. By default it follows from the server's version: `/v3`,
   * `/v3beta` or `/v3alpha`. A path before `/v3`, as in `/etcd/v3`, is also put before `/version`, `/health` and
   * `/metrics`.
   */
  readonly apiPrefix?: string;
  /**
   * Whether plain gets of the same turn of the event loop are sent together, in read-only txns of up to 128 gets: true
   * by default. Plain gets are `kv.get(key)`, and those whose only option is `serializable`. Large values are read
   * alone. Batching adds no latency, and does not change the result of any get.
   */
  readonly batchReads?: boolean;
  /** The transport, the timeouts and the retries of watches and keepalives. */
  readonly streams?: StreamOptions;
  /**
   * A logger for the events of `diagnostics$`, such as `console`: an object with the methods `debug`, `info`, `warn`
   * and `error`. Each method is called with a message and an event of its severity. There is no logger by default.
   */
  readonly logger?: Logger;
}

/** The length of the longest string in V8. Each response is converted to one string before it is parsed. */
const LONGEST_STRING = 2 ** 29 - 24;

/** The limits of a platform. */
export interface OptionLimits {
  /** The options that the platform does not support, each with the reason. */
  readonly refused?: Readonly<Partial<Record<keyof ClientOptions, string>>>;
  /** The reason why the platform has no bidirectional HTTP/2 streams; undefined if it has them. */
  readonly noHttp2?: string;
  /** The URL of the page, by which relative endpoints are resolved; undefined if there is no page. */
  readonly baseUrl?: string;
  /** Checks the option `tls`; undefined if the platform does not support the option. */
  readonly checkTls?: (tls: TlsSettings, endpoints: readonly string[]) => TlsSettings;
  /** Adds advice to the error for an invalid option. */
  readonly adviceOn?: (error: unknown) => unknown;
}

/** The options with all defaults filled in. */
export type Settings = CallerSettings &
  ConnectionSettings & {
    readonly tls: TlsSettings;
    readonly batchReads: boolean;
    readonly closeTimeoutMs: number;
    readonly streams: StreamSettings;
    readonly logger: Logger | undefined;
  };

/**
 * Checks the options of `createClient`, and fills in the defaults.
 *
 * @param limits the limits of the platform
 * @throws InvalidOptionError
 */
export function settingsOf(options: ClientOptions, limits: OptionLimits = {}): Settings {
  try {
    return checkedSettings(options, limits);
  } catch (error) {
    throw limits.adviceOn?.(error) ?? error;
  }
}

function checkedSettings(options: ClientOptions, { refused = {}, noHttp2, baseUrl, checkTls }: OptionLimits): Settings {
  const {
    endpoints: given = 'http://127.0.0.1:2379',
    auth,
    tls,
    connectTimeoutMs = 5_000,
    requestTimeoutMs = 10_000,
    maxPendingCalls = 65_536,
    closeTimeoutMs = 10_000,
    attemptTimeoutMs = 800,
    discovery,
    retry = true,
    keepAliveMs = 30_000,
    maxConnections = 64,
    maxResponseBytes = 128 * 2 ** 20,
    headers = {},
    userAgent = 'rxetcd',
    apiPrefix,
    batchReads = true,
    streams = {},
    logger,
  } = checkGroup('', options, KINDS);
  for (const [option, why] of Object.entries(refused))
    if (Reflect.get(options, option) !== undefined) throw new InvalidOptionError(option, why);
  const endpoints = checkEndpoints(given, baseUrl);
  return {
    endpoints,
    auth: auth === undefined ? undefined : checkAuth(auth),
    tls: tls === undefined || checkTls === undefined ? {} : checkTls(tls, endpoints),
    connectTimeoutMs,
    requestTimeoutMs,
    maxPendingCalls,
    closeTimeoutMs,
    attemptTimeoutMs,
    discovery: checkDiscovery(discovery),
    ...retrySettings(retry),
    keepAliveMs,
    maxConnections,
    maxResponseBytes,
    headers: { ...checkedHeaders(headers), 'user-agent': userAgent, 'content-type': 'application/json' },
    apiPrefix,
    baseUrl,
    batchReads,
    streams: checkStreams(streams, endpoints, noHttp2),
    http2: noHttp2 === undefined,
    logger,
  };
}

const KINDS: OptionKinds<ClientOptions> = {
  // Options that have parts are checked separately, so that their errors name the invalid part.
  endpoints: ANYTHING,
  auth: {
    what: '{ username, password }, a function that returns this object, or { token }',
    is: (value) => isRecord(value) || FUNCTION.is(value),
  },
  tls: ANYTHING,
  connectTimeoutMs: TIMER_MS,
  requestTimeoutMs: TIMEOUT,
  maxPendingCalls: WHOLE,
  closeTimeoutMs: TIMEOUT,
  attemptTimeoutMs: TIMEOUT,
  discovery: { what: 'true, false or { intervalMs }', is: (value) => BOOLEAN.is(value) || isRecord(value) },
  // If the policy is a function, its result is checked at each call.
  retry: {
    what: 'true, false, a function or an object of limits',
    is: (value) => BOOLEAN.is(value) || FUNCTION.is(value) || isRecord(value),
  },
  maxConnections: WHOLE,
  keepAliveMs: TIMER_MS,
  maxResponseBytes: wholeNumber(1, LONGEST_STRING),
  headers: ANYTHING,
  userAgent: HEADER_TEXT,
  apiPrefix: { what: 'a path such as /v3, without a slash at its end', is: (value) => typeof value === 'string' && isPath(value) },
  batchReads: BOOLEAN,
  streams: ANYTHING,
  logger: {
    what: 'an object with the functions debug, info, warn and error',
    is: (value) => typeof value === 'object' && value !== null && LOG_LEVELS.every((level) => FUNCTION.is(Reflect.get(value, level))),
  },
};

const RETRY: OptionKinds<CallRetryOptions> = {
  policy: FUNCTION,
  maxAttempts: WHOLE,
  initialBackoffMs: TIMER_MS,
  maxBackoffMs: TIMER_MS,
  jitter: JITTER,
};

function retrySettings(retry: NonNullable<ClientOptions['retry']>): Pick<CallerSettings, 'retry' | 'retryLimits'> {
  if (retry === true) return { retry: undefined };
  if (retry === false) return { retry: NO_RETRIES };
  if (typeof retry === 'function') return { retry };
  const { policy, ...retryLimits } = checkGroup('retry', retry, RETRY);
  const { initialBackoffMs = 0, maxBackoffMs = LONGEST_CONTACT_PAUSE_MS } = retryLimits;
  checkBackoff('retry', initialBackoffMs, maxBackoffMs);
  return { retry: policy, retryLimits };
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'];

/**
 * Checks how a client authenticates.
 *
 * @throws InvalidOptionError
 */
export function checkAuth(auth: Auth): Auth {
  // The result of the function is checked when the function is called.
  if (typeof auth === 'function') return auth;
  if ('token' in auth) return { token: checkGroup('auth', auth, { token: required(TOKEN) }).token };
  const { username, password } = checkGroup('auth', auth, { username: required(TEXT), password: required(TEXT) });
  return { username, password };
}

const TOKEN: OptionKind = {
  what: `a function that returns a token, or ${HEADER_TEXT.what}`,
  is: (value) => FUNCTION.is(value) || HEADER_TEXT.is(value),
};

function checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const invalid = findInvalidHeader(headers);
  if (invalid !== undefined) throw new InvalidOptionError(`headers${invalid.place}`, invalid.problem);
  return withLowerNames(headers);
}

/**
 * The parts of a client that depend on where it runs: Node, or a browser. Each entry point of the package has a
 * separate platform; everything else is the same.
 */
export interface Platform {
  /** Returns the identity of the host, process and thread. */
  readonly identity: () => Identity;
  /**
   * Returns the limits of the platform. It is called once for each client.
   *
   * @throws EtcdError `UnsupportedRuntime` if no call could work here
   */
  limits(options: ClientOptions): OptionLimits;
  /**
   * Creates the wire of a client. It opens no connection before the first request.
   *
   * @throws InvalidOptionError that names the option whose contents cannot be used
   */
  wire(settings: Settings): Wire;
  /** The parts of a client that a browser loads when they are first used. */
  readonly parts: Parts;
}
