import { InvalidOptionError } from '../errors/index.js';
import { FROM_ZERO, findInvalidOption, mismatch, oneOf, type OptionKind, type OptionKinds, TIMER_MS, typeName } from '../model/validate.js';
import { addressOf, withScheme } from '../transport/endpoints/endpoint.js';
import { captured } from '../model/captured.js';
import { isRecord } from '../codec/message.js';
import { IDLE_CHECK_MS } from '../transport/endpoints/activity.js';
import type { StreamTransport } from '../transport/streams/transportSelector.js';

/**
 * A string that is not empty, and has no line breaks and no zero characters. Such characters are usually a mistake,
 * such as the line break at the end of a file.
 */
export const TEXT: OptionKind = {
  what: 'a string that is not empty, without a line break or a zero character',
  is: (value) => typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value),
};

/** The largest part of a pause, from 0 to 1, by which the pause may be shortened at random. */
export const JITTER: OptionKind = {
  what: 'a number from 0 to 1',
  is: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  numeric: true,
};

/** A number of retries. */
const RETRIES: OptionKind = {
  what: `${FROM_ZERO.what}, or Infinity`,
  is: (value) => value === Infinity || FROM_ZERO.is(value),
  numeric: true,
};

/** A time that a timer can wait, or `Infinity` for no limit. */
export const TIMEOUT: OptionKind = {
  what: `${TIMER_MS.what}, or Infinity`,
  is: (value) => value === Infinity || TIMER_MS.is(value),
  numeric: true,
};

/**
 * Returns whether a path is like `/v3`, without a slash at its end. The segments `.` and `..` are not allowed, as they
 * would change the path.
 */
export const isPath = (path: string): boolean => /^(\/(?!\.+(\/|$))[A-Za-z0-9._~-]+)+$/.test(path);

/**
 * Checks and returns the options of a client, or one group of options, such as `streams`.
 *
 * @param group the name of the group; empty for all options
 * @throws InvalidOptionError that names the first invalid option
 */
export function checkGroup<O extends object>(group: string, options: O, kinds: OptionKinds<O>): O {
  if (!isRecord(options)) throw invalidOption(group === '' ? '(all)' : group, `{ ${Object.keys(kinds).join(', ')} }`, options);
  const invalid = findInvalidOption(options, kinds, group === '' ? '' : `${group}.`);
  if (invalid === undefined) return options;
  throw new InvalidOptionError(invalid.name, invalid.problem);
}

/** Creates the error for an option with an invalid value. */
export const invalidOption = (option: string, what: string, value: unknown): InvalidOptionError =>
  new InvalidOptionError(option, mismatch({ what }, value));

/** One endpoint of a cluster, or several. */
export type EndpointsOption = string | URL | readonly (string | URL)[];

/** The option `discovery`: whether members are discovered, and how often. */
type DiscoveryOption = boolean | { readonly intervalMs?: number } | undefined;

/**
 * Checks endpoints, and returns them in the form `https://a:2379` or `https://proxy/etcd`.
 *
 * @param baseUrl the URL by which relative endpoints are resolved, if there is one
 * @throws InvalidOptionError that names the invalid endpoint
 */
export function checkEndpoints(given: unknown, baseUrl?: string): readonly string[] {
  if (!isAddress(given) && !Array.isArray(given)) throw invalidOption('endpoints', 'a URL or a list of URLs', given);
  // `Array.from` converts holes to undefined, while `map` would skip them.
  const list: readonly unknown[] = Array.isArray(given) ? Array.from(given) : [given];
  if (list.length === 0) throw new InvalidOptionError('endpoints', 'expected a URL or a list of URLs, received an empty list');
  const origins = list.map((endpoint, index) =>
    checkedAddress(endpoint, Array.isArray(given) ? `endpoints[${index}]` : 'endpoints', baseUrl),
  );
  const [first] = origins;
  const mixed = origins.findIndex((origin) => schemeOf(origin) !== schemeOf(first ?? ''));
  if (mixed > 0) {
    throw new InvalidOptionError(
      `endpoints[${mixed}]`,
      `expected only http or only https URLs, so that no password is sent unencrypted, received ${first} and ${origins[mixed]}`,
    );
  }
  return [...new Set(origins)];
}

/**
 * Checks endpoints that replace the current ones.
 *
 * @throws InvalidOptionError as {@link checkEndpoints}, and if their scheme differs from the current one
 */
export function checkNewEndpoints(given: unknown, before: readonly string[], baseUrl?: string): readonly string[] {
  const origins = checkEndpoints(given, baseUrl);
  const [scheme, wanted] = [origins, before].map(([first = '']) => schemeOf(first));
  // TLS and streams are configured for one scheme. A password for `https` must not be sent over `http`.
  if (scheme !== wanted)
    throw new InvalidOptionError('endpoints', `expected an ${wanted} URL, as the scheme of a client cannot change, received ${origins[0]}`);
  return origins;
}

/**
 * Checks the option `discovery`. Returns undefined if it is off.
 *
 * @throws InvalidOptionError
 */
export function checkDiscovery(given: DiscoveryOption): { readonly intervalMs: number } | undefined {
  if (given === undefined || given === false) return undefined;
  const { intervalMs = 60_000 } = given === true ? {} : checkGroup('discovery', given, { intervalMs: TIMER_MS });
  return { intervalMs };
}

const schemeOf = (origin: string): string => origin.slice(0, origin.indexOf(':'));

/**
 * Returns whether an endpoint is text or a URL. It compares the name of the type, as `instanceof` would reject a URL of
 * another realm.
 */
const isAddress = (given: unknown): given is string | URL => typeof given === 'string' || typeName(given) === 'URL';

function checkedAddress(endpoint: unknown, option: string, baseUrl: string | undefined): string {
  if (!isAddress(endpoint)) throw invalidOption(option, A_URL, endpoint);
  let url: URL;
  try {
    url = new URL(typeof endpoint === 'string' ? withScheme(endpoint) : endpoint, baseUrl);
  } catch {
    refuseComma(endpoint, option);
    throw new InvalidOptionError(option, `expected ${A_URL}, received text that is not a URL`);
  }
  // No error repeats the text, as it may contain a password. For example, a parser reads `root:secret@a` as a scheme
  // and a path.
  if (url.username !== '' || url.password !== '')
    throw new InvalidOptionError(option, 'expected a URL without a user or password, received a URL with them; use the option auth');
  refuseComma(endpoint, option);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new InvalidOptionError(option, `expected ${A_URL}, received a URL that begins with neither http:// nor https://`);
  // The error does not quote the query and the fragment, which may contain secrets.
  if (url.search !== '' || url.hash !== '')
    throw new InvalidOptionError(option, `expected a URL without a query or a fragment, received a query or fragment after ${url.origin}`);
  const address = addressOf(url);
  const path = address.slice(url.origin.length);
  if (path !== '' && !isPath(path))
    throw new InvalidOptionError(option, `expected letters, digits and ._~- in the path, received other characters after ${url.origin}`);
  if (/\/v3(alpha|beta)?$/.test(path))
    throw new InvalidOptionError(
      option,
      'expected a path without /v3 at its end, received a path with it; rxetcd adds /v3, or the value of apiPrefix',
    );
  return address;
}

const A_URL = 'a URL such as http://127.0.0.1:2379';

/**
 * Rejects a list with commas, which `etcdctl` accepts. A parser would read `http://a,b` as a URL with the host `a,b`.
 */
function refuseComma(endpoint: string | URL, option: string): void {
  if (String(endpoint).includes(','))
    throw new InvalidOptionError(
      option,
      "expected one URL, received text with a comma; give several endpoints as a list: ['http://a:2379', 'http://b:2379']",
    );
}

/**
 * The certificates and keys for TLS, in PEM: as text or bytes, or in files, which are read again for each connection.
 */
export interface TlsSettings {
  /**
   * The certificates to trust instead of those that the runtime trusts: certificates of authorities, or of the server
   * itself.
   */
  readonly ca?: string | Uint8Array;
  readonly caFile?: string;
  /**
   * The client certificate, for a server that requires one, followed by its intermediate certificates. The private key
   * is then required as well.
   */
  readonly cert?: string | Uint8Array;
  readonly certFile?: string;
  readonly key?: string | Uint8Array;
  readonly keyFile?: string;
  /** The passphrase of an encrypted key. */
  readonly passphrase?: string;
  /** The name in the server's certificate, if it differs from the endpoint's host. */
  readonly serverName?: string;
}

/** The parts of the option `tls` that can be given as PEM or as a file. */
export type Part = 'ca' | 'cert' | 'key';
export const PARTS: readonly Part[] = ['ca', 'cert', 'key'];

const PEM: OptionKind = {
  what: 'PEM, as a string or bytes',
  is: (value) => typeof value === 'string' || value instanceof Uint8Array,
};

const TLS_KINDS: OptionKinds<TlsSettings> = {
  ca: PEM,
  caFile: TEXT,
  cert: PEM,
  certFile: TEXT,
  key: PEM,
  keyFile: TEXT,
  passphrase: TEXT,
  serverName: TEXT,
};

/**
 * Checks the form of the option `tls`. The contents of certificates and files are checked only when they are used.
 *
 * @throws InvalidOptionError
 */
export function checkTls(tls: TlsSettings, endpoints: readonly string[]): TlsSettings {
  checkGroup('tls', tls, TLS_KINDS);
  if (endpoints.some((endpoint) => endpoint.startsWith('http:')))
    throw new InvalidOptionError('tls', 'expected https endpoints, received http endpoints; use https URLs, or omit the option tls');
  for (const part of PARTS)
    if (tls[part] !== undefined && tls[`${part}File`] !== undefined)
      throw new InvalidOptionError(`tls.${part}File`, `expected either tls.${part}File or tls.${part}, received both`);
  const [cert, key] = [givenAs('cert', tls), givenAs('key', tls)];
  if (cert === undefined && key !== undefined)
    throw new InvalidOptionError(
      `tls.${key.replace('key', 'cert')}`,
      'expected a certificate together with its key, received only the key',
    );
  if (cert !== undefined && key === undefined)
    throw new InvalidOptionError(
      `tls.${cert.replace('cert', 'key')}`,
      'expected a key together with its certificate, received only the certificate',
    );
  return captured({ ...tls });
}

/** Returns the name of the option that sets a part; undefined if no option does. */
const givenAs = (part: 'cert' | 'key', tls: TlsSettings): string | undefined =>
  ([part, `${part}File`] as const).find((name) => tls[name] !== undefined);

/** The options of a client's long-lived streams, which carry watches and keepalives. Durations are in milliseconds. */
export interface StreamOptions {
  /**
   * The transport of streams. `auto`, the default, selects one that the endpoint supports. `websocket` and `http2`
   * carry all watches on one connection; `chunked` needs a connection for each watch, and works everywhere. `http2`
   * needs `https` endpoints, and is rejected in browsers and on Bun and Deno. With any value except `auto`, no other
   * transport is used if this one fails.
   */
  readonly transport?: 'auto' | StreamTransport;
  /**
   * The time without data after which a heartbeat is sent on a stream: 12 000 by default. While the client calls the
   * endpoint or holds leases, this time is at most 2 500. When a call to the endpoint fails or is late, a heartbeat is
   * sent at once, but not within 500 ms of the last one.
   */
  readonly heartbeatMs?: number;
  /**
   * The timeout of a response on a stream, such as the response to a heartbeat or to a new watch: 2 000 by default. For
   * a keepalive it is at most a sixth of the TTL. After a timeout the stream is replaced. The timeout for opening a
   * stream is half of this time.
   */
  readonly responseTimeoutMs?: number;
  /**
   * The first pause before a lost stream is opened again: 50 by default, or `maxBackoffMs` if that is shorter. The
   * pause doubles each time, up to `maxBackoffMs`, until the server has responded. Each pause is then shortened by
   * `jitter`.
   */
  readonly initialBackoffMs?: number;
  /**
   * The longest pause before a lost stream is opened again: 2 000 by default. For the stream of keepalives the pause is
   * usually at most 500.
   */
  readonly maxBackoffMs?: number;
  /**
   * The largest part of a pause, from 0 to 1, by which the pause is shortened at random: 0.5 by default.
   */
  readonly jitter?: number;
  /**
   * The maximum number of consecutive failures to open a stream: no limit by default. Failed reads for the start of a
   * watch count as well, and failures within one pause count once. After one more failure, the watches error with
   * `RetriesExhausted`. So does everything that depends on watches, such as `live` or the wait for a lock. Failures are
   * counted for all watches of the client together, until a server has responded. Leases are not affected: their
   * deadline limits them.
   */
  readonly maxRetries?: number;
  /**
   * The time for which a watch continues after its last subscriber has unsubscribed, so that a new subscriber can share
   * it: 1 000 by default. The stream of a client stays open for the same time after its last watch has ended. So it can
   * be reused, for example by the next wait for a lock.
   */
  readonly lingerMs?: number;
}

/** The options with all defaults filled in. */
export type StreamSettings = Required<StreamOptions>;

const STREAM_KINDS: OptionKinds<StreamOptions> = {
  transport: oneOf('auto', 'websocket', 'http2', 'chunked'),
  heartbeatMs: TIMER_MS,
  responseTimeoutMs: TIMER_MS,
  initialBackoffMs: TIMER_MS,
  maxBackoffMs: TIMER_MS,
  jitter: JITTER,
  maxRetries: RETRIES,
  lingerMs: TIMER_MS,
};

/**
 * Checks the option `streams`, and fills in the defaults.
 *
 * @param noHttp2 the reason why the platform has no HTTP/2 streams, if it has none
 * @throws InvalidOptionError
 */
export function checkStreams(options: StreamOptions, endpoints: readonly string[], noHttp2?: string): StreamSettings {
  const {
    transport = 'auto',
    heartbeatMs = IDLE_CHECK_MS,
    responseTimeoutMs = 2_000,
    maxBackoffMs = 2_000,
    initialBackoffMs = Math.min(50, maxBackoffMs),
    lingerMs = 1_000,
    jitter = 0.5,
    maxRetries = Infinity,
  } = checkGroup('streams', options, STREAM_KINDS);
  if (transport === 'http2' && noHttp2 !== undefined)
    throw new InvalidOptionError('streams.transport', `expected 'auto', 'websocket' or 'chunked', received 'http2'; ${noHttp2}`);
  if (transport === 'http2' && endpoints.some((endpoint) => endpoint.startsWith('http:')))
    throw new InvalidOptionError(
      'streams.transport',
      "expected https endpoints for 'http2', received http endpoints; etcd has JSON over HTTP/2 only with TLS",
    );
  checkBackoff('streams', initialBackoffMs, maxBackoffMs);
  return { transport, heartbeatMs, responseTimeoutMs, initialBackoffMs, maxBackoffMs, jitter, maxRetries, lingerMs };
}

/**
 * Checks that the first pause of a group of options is not longer than the longest.
 *
 * @throws InvalidOptionError
 */
export function checkBackoff(group: string, initialBackoffMs: number, maxBackoffMs: number): void {
  if (initialBackoffMs > maxBackoffMs)
    throw new InvalidOptionError(
      `${group}.initialBackoffMs`,
      `expected at most ${maxBackoffMs}, the value of ${group}.maxBackoffMs, received ${initialBackoffMs}`,
    );
}
