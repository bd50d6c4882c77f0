import { Backoff, monotonicNow } from '../../util/time.js';
import { isAtLeast, type ServerVersion } from '../endpoints/version.js';
import type { DuplexTransport } from '../wire.js';

/**
 * A transport for streams. `websocket` and `http2` are bidirectional, and carry many requests. With `chunked`, each
 * stream is a POST whose response arrives in chunks.
 */
export type StreamTransport = DuplexTransport | 'chunked';

/** The facts on which the choice of a transport depends. */
export interface TransportCriteria {
  readonly origin: string;
  readonly version: ServerVersion | undefined;
  /** Whether the stream needs a token. */
  readonly authenticated: boolean;
}

/**
 * The first version whose WebSocket carries messages of any length. Before it, etcd's proxy closes a WebSocket on a
 * message of more than 64 KiB.
 */
const WHOLE_MESSAGES = '3.4.16';
const SUSPICIOUS_LOSSES = 3;
const SUSPICION_MS = 60_000;

/**
 * The maximum number of consecutive streams without a response over a transport, if calls to the same endpoint get
 * responses meanwhile.
 */
const MAX_WITHOUT_RESPONSE: Readonly<Record<DuplexTransport, number>> = { websocket: 3, http2: 2 };
/**
 * The time for which a failed transport is not used, in milliseconds, before jitter. The time doubles with each
 * failure, up to the longest one. After this time the transport is tried again, as the proxy may have been
 * reconfigured.
 */
const FIRST_REST_MS = 120_000;
const LONGEST_REST_MS = 3_600_000;

/** The failures of a transport at an endpoint. */
interface Experience {
  /** The number of consecutive streams without a response. */
  withoutResponse: number;
  /** The number of calls to which the endpoint had responded before the last stream without a response failed. */
  responses: number;
  /** The time until which the transport is not used at the endpoint. */
  restsUntil: number;
  readonly rests: Backoff;
}

/**
 * Chooses the transport for the streams of each endpoint. A transport that does not work at an endpoint is not used
 * there for some time. A transport that cannot carry long messages is never used there again. If the user has chosen a
 * transport, that transport is always used.
 */
export class TransportSelector {
  private readonly records = new Map<string, Map<StreamTransport, Experience>>();
  private readonly losses = new Map<string, readonly number[]>();

  /** @param http2 whether the wire has bidirectional HTTP/2 streams */
  constructor(
    private readonly preferred: StreamTransport | 'auto',
    private readonly http2 = true,
  ) {}

  choose(terms: TransportCriteria): StreamTransport {
    if (this.preferred !== 'auto') return this.preferred;
    const records = this.records.get(terms.origin);
    const now = monotonicNow();
    return candidates(terms, this.http2).find((transport) => !((records?.get(transport)?.restsUntil ?? 0) > now)) ?? 'chunked';
  }

  /** Records that the endpoint does not support the transport. */
  refused(origin: string, transport: StreamTransport): void {
    const record = this.recordOf(origin, transport);
    record.restsUntil = monotonicNow() + record.rests.next();
  }

  /** Records that the messages at an endpoint are too long for a transport. The transport is never used there again. */
  outgrown(origin: string, transport: StreamTransport): void {
    this.recordOf(origin, transport).restsUntil = Infinity;
  }

  /**
   * Records that a stream ended before the server had responded on it. If the server is down, it does not respond to
   * calls either. So the failure counts only if the server has responded to calls since the previous failed stream.
   *
   * @param responses the number of calls to which the endpoint has responded
   */
  withoutResponse(origin: string, transport: DuplexTransport, responses: number): void {
    const record = this.recordOf(origin, transport);
    if (responses <= record.responses) return;
    record.responses = responses;
    record.withoutResponse += 1;
    if (record.withoutResponse >= MAX_WITHOUT_RESPONSE[transport]) this.refused(origin, transport);
  }

  /** Records that the server has responded on a stream. */
  responded(origin: string, transport: StreamTransport): void {
    const records = this.records.get(origin);
    if (records?.get(transport)?.restsUntil !== Infinity) records?.delete(transport);
  }

  /**
   * Records that a stream broke. An old server closes the connection on a message that is too long. So several broken
   * connections within a short time count as such a message.
   */
  lost({ origin, version }: TransportCriteria, transport: StreamTransport): void {
    if (carriesLongMessages(transport, version)) return;
    const now = monotonicNow();
    const recent = [...(this.losses.get(origin) ?? []).filter((at) => now - at < SUSPICION_MS), now];
    this.losses.set(origin, recent);
    if (recent.length >= SUSPICIOUS_LOSSES) this.outgrown(origin, transport);
  }

  /** Removes the records of an endpoint, as it was removed from the client. */
  forget(origin: string): void {
    this.records.delete(origin);
    this.losses.delete(origin);
  }

  private recordOf(origin: string, transport: StreamTransport): Experience {
    const records = this.records.get(origin) ?? new Map<StreamTransport, Experience>();
    const record = records.get(transport) ?? {
      withoutResponse: 0,
      responses: 0,
      restsUntil: 0,
      rests: new Backoff(FIRST_REST_MS, LONGEST_REST_MS),
    };
    this.records.set(origin, records.set(transport, record));
    return record;
  }
}

/**
 * Returns whether a transport carries messages of any length. All transports do, except the WebSocket of an old server.
 */
export function carriesLongMessages(transport: StreamTransport, version: ServerVersion | undefined): boolean {
  return transport !== 'websocket' || version === undefined || isAtLeast(version, WHOLE_MESSAGES);
}

function candidates({ origin, version, authenticated }: TransportCriteria, hasHttp2: boolean): readonly StreamTransport[] {
  const tls = origin.startsWith('https:');
  const webSocket = !authenticated || takesTokenOverWebSocket(version);
  const whole = carriesLongMessages('websocket', version);
  const http2 = tls && hasHttp2 ? (['http2'] as const) : [];
  if (!webSocket) return [...http2, 'chunked'];
  return whole && !authenticated ? ['websocket', ...http2, 'chunked'] : [...http2, 'websocket', 'chunked'];
}

/**
 * Returns whether etcd's proxy passes on the subprotocol, which carries the token, in the form that etcd's auth
 * accepts. The proxies of 3.5 and 3.6 do so since a certain patch release, and all from 3.7 on. Older proxies do not.
 * An unknown version counts as a new one.
 */
function takesTokenOverWebSocket(version: ServerVersion | undefined): boolean {
  if (version === undefined || isAtLeast(version, '3.7')) return true;
  return isAtLeast(version, '3.6') ? isAtLeast(version, '3.6.13') : isAtLeast(version, '3.5.32');
}
