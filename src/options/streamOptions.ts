import { InvalidOptionError } from '../errors/index.js';
import { typeName } from '../model/failures.js';
import { duration, isObject, onlyKnown } from './optionValidators.js';
import type { Carrier } from '../transport/streams/carrierSelector.js';

/** How the long-lived streams of a client (watches, keepalives) are carried and kept alive. Durations are in milliseconds. */
export interface StreamOptions {
  /**
   * What carries them. By default (`auto`) what works: `websocket` and `http2` take all watches on one connection, `chunked` needs one a watch and
   * works everywhere. Another choice is not departed from.
   */
  readonly carrier?: 'auto' | Carrier;
  /** How long a stream may be silent before the server is asked whether it is still there: 1 000 by default. */
  readonly heartbeatMs?: number;
  /** How long an answer on a stream may take (to a heartbeat, to a new watch; half as long for it to be opened) before the stream is given up and made anew: 2 000 by default. */
  readonly answerTimeoutMs?: number;
  /** The first pause before a stream is made anew: 50 by default. It doubles each time, up to `maxBackoffMs`, until the server has answered. */
  readonly initialBackoffMs?: number;
  /** The longest pause before a stream is made anew: 2 000 by default. */
  readonly maxBackoffMs?: number;
  /** How long a watch that nobody is subscribed to any more goes on, so that a new subscription does not begin anew: 1 000 by default. */
  readonly graceMs?: number;
}

/** With all defaults filled in. */
export type StreamSettings = Required<StreamOptions>;

const CARRIERS: readonly unknown[] = ['auto', 'websocket', 'http2', 'chunked'];
const KNOWN: readonly (keyof StreamOptions)[] = [
  'carrier',
  'heartbeatMs',
  'answerTimeoutMs',
  'initialBackoffMs',
  'maxBackoffMs',
  'graceMs',
];

/** Checks the option `streams`. @throws InvalidOptionError */
export function checkStreams(given: unknown, endpoints: readonly string[]): StreamSettings {
  if (!isObject(given)) throw new InvalidOptionError('streams', `{ ${KNOWN.join(', ')} }, not ${typeName(given)}`);
  onlyKnown('streams.', given, KNOWN);
  const { carrier = 'auto' } = given;
  if (!CARRIERS.includes(carrier)) throw new InvalidOptionError('streams.carrier', `one of ${CARRIERS.join(', ')}`);
  if (carrier === 'http2' && endpoints.some((endpoint) => endpoint.startsWith('http:'))) {
    throw new InvalidOptionError('streams.carrier', 'etcd speaks HTTP/2 for JSON over TLS only: make the endpoints https');
  }
  const maxBackoffMs = duration('streams.maxBackoffMs', given['maxBackoffMs'], 2_000);
  const initialBackoffMs = duration('streams.initialBackoffMs', given['initialBackoffMs'], Math.min(50, maxBackoffMs));
  if (initialBackoffMs > maxBackoffMs)
    throw new InvalidOptionError('streams.initialBackoffMs', `${initialBackoffMs} is above streams.maxBackoffMs, which is ${maxBackoffMs}`);
  return {
    carrier: carrier as StreamSettings['carrier'],
    heartbeatMs: duration('streams.heartbeatMs', given['heartbeatMs'], 1_000),
    answerTimeoutMs: duration('streams.answerTimeoutMs', given['answerTimeoutMs'], 2_000),
    initialBackoffMs,
    maxBackoffMs,
    graceMs: duration('streams.graceMs', given['graceMs'], 1_000),
  };
}
