import { checkDiscovery, checkEndpoints, type EndpointsOption } from './endpointOptions.js';
import { InvalidOptionError } from '../errors/index.js';
import { typeName } from '../model/failures.js';
import { count, duration, flag, headerText, isObject, limit, onlyKnown, text } from './optionValidators.js';
import { checkTls } from './tlsOptions.js';
import { checkStreams, type StreamOptions, type StreamSettings } from './streamOptions.js';
import type { CallerSettings } from '../transport/caller.js';
import { NO_RETRIES, type RetryPolicy } from '../transport/retryPolicy.js';
import type { Auth, TokenSource } from '../transport/tokenProvider.js';
import type { TlsSettings } from '../transport/tls/settings.js';
import type { TransportSettings } from '../transport/http/undiciTransport.js';

/** How a client is made. All of it is checked when it is created; a fault is an `InvalidOptionError` that names the option. */
export interface ClientOptions {
  /** Where the cluster is: `http://127.0.0.1:2379` by default. All `http` or all `https`. */
  readonly endpoints?: EndpointsOption;
  /** A user with a password, or a token (a JWT, say) or a function that gets one. Without it calls carry no token. */
  readonly auth?: Auth;
  /**
   * What TLS is to trust and to show, in PEM or in files of PEM: for `https` endpoints only. A file that changes holds for the connections made from then on, as soon as
   * what is in it is whole. Certificates are always verified: one that nobody signed is given as `ca`, and the name that is in it as `serverName`.
   */
  readonly tls?: TlsSettings;
  /** How long making a connection may take, in milliseconds: 5 000 by default. */
  readonly connectTimeoutMs?: number;
  /** How long a call may take with all its tries, in milliseconds: 10 000 by default; `Infinity` for no limit. */
  readonly requestTimeoutMs?: number;
  /**
   * How long nothing may be heard of a try before the next endpoint is tried, too, in milliseconds: 800 by default; `Infinity` for no limit. For reads, and for writes that
   * have not left; where there is another endpoint. From the second try on it is half as long, and four times that once all were silent. The answer that comes first counts.
   */
  readonly tryTimeoutMs?: number;
  /**
   * Whether the members of the cluster are looked for, and used beside `endpoints` where they can be reached: no by default. `true`, or how often their list is read anew
   * while the client is in use, in milliseconds: 60 000 by default, and sooner while an endpoint fails.
   */
  readonly discovery?: boolean | { readonly intervalMs?: number };
  /**
   * What is done about a try that failed: by default (`true`) what rxetcd's table says. With `false` no call is tried twice, and every failure is given as it is. A
   * function is asked each time. A write of unknown outcome is an `AmbiguousWrite` in any case.
   */
  readonly retry?: boolean | RetryPolicy;
  /** Connections at a time to each endpoint: 64 by default. Further calls wait for one. Streams, and calls that wait at the server for a lock, say, have others. */
  readonly maxConnections?: number;
  /** How long an idle connection is kept, in milliseconds: 30 000 by default. */
  readonly keepAliveMs?: number;
  /**
   * How long an answer may be, or one message of a stream, in bytes of JSON: 128 MiB by default, and at most what a string can hold, 512 MiB less 24. Longer ones are
   * `ResponseTooLarge`, and cost no memory; `kv.pages` then asks for shorter pages.
   */
  readonly maxResponseBytes?: number;
  /** Sent with every request. `authorization`, `content-type`, `content-length`, `host` and the like are rxetcd's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What requests call themselves: `rxetcd` by default. */
  readonly userAgent?: string;
  /** Where the gateway is, if not where the server's version says: `/v3`, `/v3beta`, `/v3alpha`, or behind a proxy's path. */
  readonly apiPrefix?: string;
  /**
   * Plain gets (`kv.get(key)`) that are asked for in the same turn of the event loop travel as one read-only txn: true by default. No get waits for another, and each sees
   * what it would see alone.
   */
  readonly gatherReads?: boolean;
  /** How watches and keepalives are carried and kept alive. */
  readonly streams?: StreamOptions;
}

/** What V8 can hold; an answer becomes a string before it is read. */
const LONGEST_STRING = 2 ** 29 - 24;

/** The options with all defaults filled in. */
export type Settings = CallerSettings &
  Omit<TransportSettings, 'tls'> & { readonly tls: TlsSettings; readonly gatherReads: boolean; readonly streams: StreamSettings };

/** Checks options as a user gave them. @throws InvalidOptionError */
export function settingsOf(options: ClientOptions): Settings {
  // A program in JavaScript can give anything.
  const given: unknown = options;
  if (!isObject(given)) throw new InvalidOptionError('(all)', `createClient takes an object, not ${typeName(options)}`);
  onlyKnown('', options, Object.keys(KNOWN));
  const endpoints = checkEndpoints(options.endpoints === undefined ? 'http://127.0.0.1:2379' : options.endpoints);
  return {
    endpoints,
    auth: options.auth === undefined ? undefined : checkAuth(options.auth),
    tls: options.tls === undefined ? {} : checkTls(options.tls, endpoints),
    connectTimeoutMs: duration('connectTimeoutMs', options.connectTimeoutMs, 5_000),
    requestTimeoutMs: limit('requestTimeoutMs', options.requestTimeoutMs, 10_000),
    tryTimeoutMs: limit('tryTimeoutMs', options.tryTimeoutMs, 800),
    discovery: checkDiscovery(options.discovery),
    retry: checkRetry(options.retry),
    keepAliveMs: duration('keepAliveMs', options.keepAliveMs, 30_000),
    maxConnections: count('maxConnections', options.maxConnections, 64),
    maxResponseBytes: count('maxResponseBytes', options.maxResponseBytes, 128 * 2 ** 20, LONGEST_STRING),
    headers: {
      ...(options.headers === undefined ? {} : checkHeaders(options.headers)),
      'user-agent': options.userAgent === undefined ? 'rxetcd' : headerText('userAgent', options.userAgent),
      'content-type': 'application/json',
    },
    apiPrefix: options.apiPrefix === undefined ? undefined : checkPrefix(options.apiPrefix),
    gatherReads: flag('gatherReads', options.gatherReads, true),
    streams: checkStreams(options.streams === undefined ? {} : options.streams, endpoints),
  };
}

/** As a record, so that the compiler finds the option that was forgotten here. */
const KNOWN: Readonly<Record<keyof ClientOptions, true>> = {
  endpoints: true,
  auth: true,
  tls: true,
  connectTimeoutMs: true,
  requestTimeoutMs: true,
  tryTimeoutMs: true,
  discovery: true,
  retry: true,
  maxConnections: true,
  keepAliveMs: true,
  maxResponseBytes: true,
  headers: true,
  userAgent: true,
  apiPrefix: true,
  gatherReads: true,
  streams: true,
};

function checkRetry(retry: unknown): RetryPolicy | undefined {
  if (retry === undefined || retry === true) return undefined;
  if (retry === false) return NO_RETRIES;
  // What it gives is checked when it has given it.
  if (typeof retry === 'function') return retry as RetryPolicy;
  throw new InvalidOptionError('retry', `true, false or a function, not ${typeName(retry)}`);
}

function checkAuth(auth: unknown): Auth {
  if (!isObject(auth)) throw new InvalidOptionError('auth', `{ username, password } or { token }, not ${typeName(auth)}`);
  if ('token' in auth) {
    onlyKnown('auth.', auth, ['token']);
    return { token: checkToken(auth['token']) };
  }
  onlyKnown('auth.', auth, ['username', 'password']);
  return { username: text('auth.username', auth['username']), password: text('auth.password', auth['password']) };
}

function checkToken(token: unknown): TokenSource {
  // What it gives is checked when it has given it.
  if (typeof token === 'function') return token as Exclude<TokenSource, string>;
  if (typeof token !== 'string')
    throw new InvalidOptionError('auth.token', `a string, or a function that gives one, not ${typeName(token)}`);
  return headerText('auth.token', token);
}

/** Those that HTTP or rxetcd sets by itself. */
const OWN_HEADERS = new Set([
  ...['authorization', 'content-type', 'content-length', 'host', 'user-agent'],
  ...['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect', 'te', 'trailer'],
]);

function checkHeaders(headers: unknown): Record<string, string> {
  // A Map or a Headers keeps them where an object does not.
  if (!isObject(headers) || Symbol.iterator in headers)
    throw new InvalidOptionError('headers', `an object of strings, { name: value }, not ${typeName(headers)}`);
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const option = `headers[${JSON.stringify(name)}]`;
    const lower = name.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower)) throw new InvalidOptionError(option, 'not a name that HTTP allows');
    if (OWN_HEADERS.has(lower)) throw new InvalidOptionError(option, 'rxetcd sets it by itself');
    if (Object.hasOwn(checked, lower)) throw new InvalidOptionError(option, 'it is given twice');
    checked[lower] = headerText(option, value);
  }
  return checked;
}

function checkPrefix(prefix: unknown): string {
  const given = text('apiPrefix', prefix);
  // No segment of dots alone: it would lead elsewhere.
  if (!/^(\/(?!\.+(\/|$))[A-Za-z0-9._~-]+)+$/.test(given))
    throw new InvalidOptionError('apiPrefix', `a path such as /v3, without a slash at its end, not ${JSON.stringify(given)}`);
  return given;
}
