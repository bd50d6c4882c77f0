import { isRecord } from '../codec/message.js';
import { InvalidOptionError } from '../errors/index.js';
import { findInvalidOption, isHeaderText, mismatch, type OptionKind, type OptionKinds, TIMER_MS } from '../model/validate.js';

/**
 * A string that is not empty. Control characters in it are there by mistake, such as the line break at the end of a
 * file.
 */
export const TEXT: OptionKind = {
  what: 'a string that is not empty, without a line break or a zero character',
  is: (value) => typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value),
};

/** Text that can be the value of a header. */
export const HEADER_TEXT: OptionKind = {
  what: 'a string that is not empty, without a line break or another character that HTTP does not allow in a header',
  is: (value) => TEXT.is(value) && isHeaderText(String(value)),
};

/** A time that a timer can wait, or none. */
export const TIMEOUT: OptionKind = {
  what: `${TIMER_MS.what}, or Infinity`,
  is: (value) => value === Infinity || TIMER_MS.is(value),
  numeric: true,
};

/**
 * Tells whether a path is like `/v3`, without a slash at its end. No segment may consist of dots, as it would change
 * the path.
 */
export const isPath = (path: string): boolean => /^(\/(?!\.+(\/|$))[A-Za-z0-9._~-]+)+$/.test(path);

/**
 * Checks the options of a client, or a group of them, such as `streams`. Returns them.
 *
 * @param group the name of the group; empty for all options
 * @throws InvalidOptionError that names the first invalid option
 */
export function checkGroup<O extends object>(group: string, options: O, kinds: OptionKinds<O>): O {
  if (!isRecord(options)) throw invalidOption(group === '' ? '(all)' : group, `{ ${Object.keys(kinds).join(', ')} }`, options);
  const invalid = findInvalidOption(options, kinds, group === '' ? '' : `${group}.`);
  if (invalid === undefined) return options;
  const own = invalid.unknown === true ? ownOptionFor(invalid.name) : undefined;
  throw new InvalidOptionError(invalid.name, own === undefined ? invalid.problem : `${invalid.problem}; in its place give ${own}`);
}

/** Creates the error for an option with an invalid value. */
export const invalidOption = (option: string, what: string, value: unknown): InvalidOptionError =>
  new InvalidOptionError(option, mismatch({ what }, value));

/**
 * The options of other clients, by their paths, each with rxetcd's equivalent. The clients are npm's `etcd3` (`hosts`,
 * `credentials` …), python's `etcd3` and `etcd3-py` (`host`, `ca_cert`, `verify` …), Go's `clientv3` in camelCase, and
 * Node's TLS.
 */
export const FOREIGN: Readonly<Record<string, string>> = {
  hosts: 'endpoints, URLs such as http://127.0.0.1:2379',
  host: 'endpoints, a URL such as http://127.0.0.1:2379',
  port: 'endpoints, a URL such as http://127.0.0.1:2379',
  protocol: 'endpoints, a URL such as https://127.0.0.1:2379',
  endpoint: 'endpoints',
  url: 'endpoints',
  urls: 'endpoints',

  credentials: 'tls.ca, tls.cert and tls.key',
  ssl: 'tls',
  ca: 'tls.ca',
  cert: 'tls.cert and tls.key, or tls.certFile and tls.keyFile',
  key: 'tls.key',
  ca_cert: 'tls.caFile',
  cert_cert: 'tls.certFile',
  cert_key: 'tls.keyFile',
  rootCertificate: 'tls.ca',
  certChain: 'tls.cert',
  privateKey: 'tls.key',
  verify: 'tls.ca and tls.serverName; certificates are always verified',
  rejectUnauthorized: 'tls.ca and tls.serverName; certificates are always verified',
  'tls.verify': 'tls.ca and tls.serverName; certificates are always verified',
  'tls.rejectUnauthorized': 'tls.ca and tls.serverName; certificates are always verified',
  'tls.insecureSkipVerify': 'tls.ca and tls.serverName; certificates are always verified',
  'tls.servername': 'tls.serverName',
  'tls.rootCertificate': 'tls.ca',
  'tls.certChain': 'tls.cert',
  'tls.privateKey': 'tls.key',
  'tls.ca_cert': 'tls.caFile',
  'tls.cert_cert': 'tls.certFile',
  'tls.cert_key': 'tls.keyFile',

  username: 'auth.username',
  user: 'auth.username',
  password: 'auth.password',
  token: 'auth.token',
  'auth.user': 'auth.username',
  'auth.name': 'auth.username',

  dialTimeout: 'connectTimeoutMs, in milliseconds',
  dialKeepAliveTime: 'streams.heartbeatMs, in milliseconds',
  dialKeepAliveTimeout: 'streams.responseTimeoutMs, in milliseconds',
  autoSyncInterval: 'discovery.intervalMs, in milliseconds',
  maxCallRecvMsgSize: 'maxResponseBytes',
  timeout: 'requestTimeoutMs, in milliseconds',
  timeoutMs: 'requestTimeoutMs',
  connectTimeout: 'connectTimeoutMs, in milliseconds',
  requestTimeout: 'requestTimeoutMs, in milliseconds',
  defaultCallOptions: 'requestTimeoutMs, or options of each call',
  backoffStrategy: 'retry, and streams.initialBackoffMs and streams.maxBackoffMs',
  faultHandling: 'retry and attemptTimeoutMs',
  max_retries: 'retry and requestTimeoutMs',
  retries: 'retry and requestTimeoutMs',
  pool_size: 'maxConnections',
  user_agent: 'userAgent',
  api_path: 'apiPrefix',
  server_version: 'apiPrefix, where the server does not tell its version',
  cluster_version: 'apiPrefix, where the server does not tell its version',
  grpc_options: 'nothing: rxetcd speaks to the JSON gateway, which has no gRPC options',
  grpcOptions: 'nothing: rxetcd speaks to the JSON gateway, which has no gRPC options',
};

/**
 * Returns rxetcd's equivalent of another client's option; undefined if the option is unknown. `DialTimeout` is found
 * like `dialTimeout`.
 */
function ownOptionFor(path: string): string | undefined {
  const camelCase = path.replace(/(^|\.)([A-Z])/g, (_, start: string, letter: string) => start + letter.toLowerCase());
  return [path, camelCase].filter((name) => Object.hasOwn(FOREIGN, name)).map((name) => FOREIGN[name])[0];
}
