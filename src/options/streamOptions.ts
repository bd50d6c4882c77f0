import { isRecord } from '../codec/message.js';
import { InvalidOptionError } from '../errors/index.js';
import { typeName } from '../model/validate.js';
import { duration, onlyKnown } from './optionValidators.js';
import { IDLE_CHECK_MS } from '../transport/endpoints/activity.js';
import type { Carrier } from '../transport/streams/carrierSelector.js';

/** The options of a client's long-lived streams, which carry watches and keepalives. Durations are in milliseconds. */
export interface StreamOptions {
  /**
   * The transport of streams. `auto`, the default, selects one that the endpoint supports. `websocket` and `http2`
   * carry all watches on one connection; `chunked` needs a connection for each watch, and works everywhere. Any value
   * but `auto` disables the fallback to another transport.
   */
  readonly carrier?: 'auto' | Carrier;
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

const CARRIERS: readonly unknown[] = ['auto', 'websocket', 'http2', 'chunked'];
const KNOWN: readonly (keyof StreamOptions)[] = [
  'carrier',
  'heartbeatMs',
  'responseTimeoutMs',
  'initialBackoffMs',
  'maxBackoffMs',
  'lingerMs',
];

/**
 * Checks the option `streams`.
 *
 * @param noHttp2 the reason for which the platform has no HTTP/2 streams, if it has none
 * @throws InvalidOptionError
 */
export function checkStreams(given: unknown, endpoints: readonly string[], noHttp2?: string): StreamSettings {
  if (!isRecord(given)) throw new InvalidOptionError('streams', `{ ${KNOWN.join(', ')} }, not ${typeName(given)}`);
  onlyKnown('streams.', given, KNOWN);
  const { carrier = 'auto' } = given;
  if (!CARRIERS.includes(carrier)) throw new InvalidOptionError('streams.carrier', `one of ${CARRIERS.join(', ')}`);
  if (carrier === 'http2' && noHttp2 !== undefined)
    throw new InvalidOptionError('streams.carrier', `${noHttp2}: use 'auto', 'websocket' or 'chunked'`);
  if (carrier === 'http2' && endpoints.some((endpoint) => endpoint.startsWith('http:'))) {
    throw new InvalidOptionError('streams.carrier', 'etcd speaks HTTP/2 for JSON over TLS only: make the endpoints https');
  }
  const maxBackoffMs = duration('streams.maxBackoffMs', given['maxBackoffMs'], 2_000);
  const initialBackoffMs = duration('streams.initialBackoffMs', given['initialBackoffMs'], Math.min(50, maxBackoffMs));
  if (initialBackoffMs > maxBackoffMs)
    throw new InvalidOptionError('streams.initialBackoffMs', `${initialBackoffMs} is above streams.maxBackoffMs, which is ${maxBackoffMs}`);
  return {
    carrier: carrier as StreamSettings['carrier'],
    heartbeatMs: duration('streams.heartbeatMs', given['heartbeatMs'], IDLE_CHECK_MS),
    responseTimeoutMs: duration('streams.responseTimeoutMs', given['responseTimeoutMs'], 2_000),
    initialBackoffMs,
    maxBackoffMs,
    lingerMs: duration('streams.lingerMs', given['lingerMs'], 1_000),
  };
}
