import { InvalidOptionError } from '../errors/index.js';
import type { OptionLimits } from './clientOptions.js';
import { checkTls } from './connectionOptions.js';

/**
 * Maps the options of other clients to rxetcd's options. The other clients are npm's `etcd3` (`hosts`, `credentials`
 * …), python's `etcd3` and `etcd3-py` (`host`, `ca_cert`, `verify` …), Go's `clientv3` in camelCase, and Node's TLS.
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
  verify: 'tls.ca and tls.serverName (certificates are always verified)',
  rejectUnauthorized: 'tls.ca and tls.serverName (certificates are always verified)',
  'tls.verify': 'tls.ca and tls.serverName (certificates are always verified)',
  'tls.rejectUnauthorized': 'tls.ca and tls.serverName (certificates are always verified)',
  'tls.insecureSkipVerify': 'tls.ca and tls.serverName (certificates are always verified)',
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

  dialTimeout: 'connectTimeoutMs (in milliseconds)',
  dialKeepAliveTime: 'streams.heartbeatMs (in milliseconds)',
  dialKeepAliveTimeout: 'streams.responseTimeoutMs (in milliseconds)',
  autoSyncInterval: 'discovery.intervalMs (in milliseconds)',
  maxCallRecvMsgSize: 'maxResponseBytes',
  timeout: 'requestTimeoutMs (in milliseconds)',
  timeoutMs: 'requestTimeoutMs',
  connectTimeout: 'connectTimeoutMs (in milliseconds)',
  requestTimeout: 'requestTimeoutMs (in milliseconds)',
  defaultCallOptions: 'requestTimeoutMs, or options of each call',
  backoffStrategy: 'retry, and streams.initialBackoffMs and streams.maxBackoffMs',
  faultHandling: 'retry and attemptTimeoutMs',
  max_retries: 'retry and requestTimeoutMs',
  retries: 'retry and requestTimeoutMs',
  pool_size: 'maxConnections',
  user_agent: 'userAgent',
  api_path: 'apiPrefix',
  server_version: 'apiPrefix (if the server hides its version)',
  cluster_version: 'apiPrefix (if the server hides its version)',
  grpc_options: 'no gRPC options (rxetcd uses the JSON gateway)',
  grpcOptions: 'no gRPC options (rxetcd uses the JSON gateway)',
};

/**
 * Returns rxetcd's equivalent of another client's option; undefined if the option is unknown. The first letter may be
 * upper case, as in `DialTimeout`.
 */
function ownOptionFor(path: string): string | undefined {
  const camelCase = path.replace(/(^|\.)([A-Z])/g, (_, start: string, letter: string) => start + letter.toLowerCase());
  return [path, camelCase].filter((name) => Object.hasOwn(FOREIGN, name)).map((name) => FOREIGN[name])[0];
}

/** Adds rxetcd's equivalent to the error for another client's option. */
function adviceOn(error: unknown): unknown {
  if (!(error instanceof InvalidOptionError)) return error;
  const own = ownOptionFor(error.option);
  const problem = error.message.slice(`option ${error.option}: `.length);
  return own === undefined ? error : new InvalidOptionError(error.option, `${problem}; use ${own} instead`);
}

/**
 * Extends the check of options outside of browsers. It is a separate module, so that a page need not load text which it
 * hardly ever needs.
 */
export const nodeOptions: Pick<OptionLimits, 'checkTls' | 'adviceOn'> = { checkTls, adviceOn };
