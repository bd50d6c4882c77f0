import { InvalidOptionError } from '../errors/index.js';
import { oneOf, type OptionKinds, TIMER_MS } from '../model/validate.js';
import { checkGroup } from './checkOptions.js';
import { IDLE_CHECK_MS } from '../transport/endpoints/activity.js';
import type { StreamTransport } from '../transport/streams/transportSelector.js';

/** The options of a client's long-lived streams, which carry watches and keepalives. Durations are in milliseconds. */
export interface StreamOptions {
  /**
   * The transport of streams. `auto`, the default, selects one that the endpoint supports. `websocket` and `http2`
   * carry all watches on one connection; `chunked` needs a connection for each watch, and works everywhere. Any value
   * but `auto` disables the fallback to another transport.
   */
  readonly transport?: 'auto' | StreamTransport;
  /**
   * How long a stream may receive no data before a heartbeat is sent: 12 000 by default. While the client calls the
   * endpoint or holds leases it is at most 2 500. When a call to the endpoint fails or is late, a heartbeat is sent at
   * once.
   */
  readonly heartbeatMs?: number;
  /**
   * The timeout of a response on a stream, such as to a heartbeat or a new watch: 2 000 by default. The stream is then
   * replaced. The timeout for opening a stream is half of it.
   */
  readonly responseTimeoutMs?: number;
  /**
   * The first pause before a lost stream is opened again: 50 by default. It doubles each time, up to `maxBackoffMs`,
   * until the server has responded.
   */
  readonly initialBackoffMs?: number;
  /** The longest pause before a lost stream is opened again: 2 000 by default. */
  readonly maxBackoffMs?: number;
  /**
   * How long a watch continues after its last subscriber has left, so that a new subscriber can share it: 1 000 by
   * default. The stream of a client stays open for the same time after its last watch. It can then be reused, for
   * example by the next wait for a lock.
   */
  readonly lingerMs?: number;
}

/** The options with all defaults filled in. */
export type StreamSettings = Required<StreamOptions>;

const KINDS: OptionKinds<StreamOptions> = {
  transport: oneOf('auto', 'websocket', 'http2', 'chunked'),
  heartbeatMs: TIMER_MS,
  responseTimeoutMs: TIMER_MS,
  initialBackoffMs: TIMER_MS,
  maxBackoffMs: TIMER_MS,
  lingerMs: TIMER_MS,
};

/**
 * Checks the option `streams`, and fills in the defaults.
 *
 * @param noHttp2 the reason for which the platform has no HTTP/2 streams, if it has none
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
  } = checkGroup('streams', options, KINDS);
  if (transport === 'http2' && noHttp2 !== undefined)
    throw new InvalidOptionError('streams.transport', `expected 'auto', 'websocket' or 'chunked', received 'http2'; ${noHttp2}`);
  if (transport === 'http2' && endpoints.some((endpoint) => endpoint.startsWith('http:')))
    throw new InvalidOptionError(
      'streams.transport',
      "expected https endpoints beside 'http2', received http; etcd speaks it over TLS only, so make the endpoints https",
    );
  if (initialBackoffMs > maxBackoffMs)
    throw new InvalidOptionError(
      'streams.initialBackoffMs',
      `expected at most streams.maxBackoffMs, which is ${maxBackoffMs}, received ${initialBackoffMs}`,
    );
  return { transport, heartbeatMs, responseTimeoutMs, initialBackoffMs, maxBackoffMs, lingerMs };
}
