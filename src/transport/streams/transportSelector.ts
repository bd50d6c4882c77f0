import { Backoff, monotonicNow } from '../../util/time.js';
import { isAtLeast, type ServerVersion } from '../endpoints/version.js';
import type { DuplexTransport } from '../wire.js';

/**
 * A transport for streams: bidirectional, with many requests at a time, or one POST for each stream, whose response
 * arrives in chunks.
 */
export type StreamTransport = DuplexTransport | 'chunked';

/** The facts on which a choice depends. */
export interface TransportCriteria {
  readonly origin: string;
  readonly version: ServerVersion | undefined;
  /** Whether a token has to be sent. */
  readonly authenticated: boolean;
}

/** Before this version, the proxy of etcd closes a WebSocket on a message of more than 64 KiB. */
const WHOLE_MESSAGES = '3.4.16';
const SUSPICIOUS_LOSSES = 3;
const SUSPICION_MS = 60_000;

/**
 * The maximum number of consecutive streams without a response over a transport, while calls to the same endpoint get
 * responses.
 */
const MOST_UNANSWERED: Readonly<Record<DuplexTransport, number>> = { websocket: 3, http2: 2 };
/**
 * The time for which a failed transport is not used, in milliseconds. It doubles each time, up to the longest. After
 * that time, the proxy may have been reconfigured.
 */
const FIRST_REST_MS = 120_000;
const LONGEST_REST_MS = 3_600_000;

/** The record of a transport at an endpoint where it has failed. */
interface Experience {
  /** The number of streams in a row without a response. */
  unanswered: number;
  /** The number of calls to which the endpoint had responded when the last of these streams failed. */
  answers: number;
  /** The time until which the transport is not used. */
  restsUntil: number;
  readonly rests: Backoff;
}

/**
 * Chooses the transport for the streams of each endpoint. A transport that does not work at an endpoint is not used
 * there for a while. A transport that cannot carry long messages is never used there again.
 */
export class TransportSelector {
  private readonly records = new Map<string, Map<StreamTransport, Experience>>();
  private readonly losses = new Map<string, readonly number[]>();

  /** @param http2 whether the wire has HTTP/2 streams in both directions */
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

  /** Records that the messages are too long for a transport. It is never used there again. */
  outgrown(origin: string, transport: StreamTransport): void {
    this.recordOf(origin, transport).restsUntil = Infinity;
  }

  /**
   * Records that a stream ended before the server had responded on it. A server that is down responds to no calls
   * either. A stream therefore counts only if calls have received a response since the previous failed stream.
   *
   * @param answers how many calls the endpoint has responded to
   */
  unanswered(origin: string, transport: DuplexTransport, answers: number): void {
    const record = this.recordOf(origin, transport);
    if (answers <= record.answers) return;
    record.answers = answers;
    record.unanswered += 1;
    if (record.unanswered >= MOST_UNANSWERED[transport]) this.refused(origin, transport);
  }

  /** Records that the server has responded on a stream. */
  answered(origin: string, transport: StreamTransport): void {
    const records = this.records.get(origin);
    if (records?.get(transport)?.restsUntil !== Infinity) records?.delete(transport);
  }

  /**
   * Records that a stream broke. An old server closes the connection on a message that is too long. Several broken
   * connections within a short time therefore count as a message that is too long.
   */
  lost({ origin, version }: TransportCriteria, transport: StreamTransport): void {
    if (carriesLongMessages(transport, version)) return;
    const now = monotonicNow();
    const recent = [...(this.losses.get(origin) ?? []).filter((at) => now - at < SUSPICION_MS), now];
    this.losses.set(origin, recent);
    if (recent.length >= SUSPICIOUS_LOSSES) this.outgrown(origin, transport);
  }

  /** Removes the records of an endpoint that was removed from the client. */
  forget(origin: string): void {
    this.records.delete(origin);
    this.losses.delete(origin);
  }

  private recordOf(origin: string, transport: StreamTransport): Experience {
    const records = this.records.get(origin) ?? new Map<StreamTransport, Experience>();
    const record = records.get(transport) ?? {
      unanswered: 0,
      answers: 0,
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
 * Returns whether etcd's proxy passes the subprotocol on in the form that its auth accepts. The proxy does this from
 * these patch releases on.
 */
function takesTokenOverWebSocket(version: ServerVersion | undefined): boolean {
  if (version === undefined || isAtLeast(version, '3.7')) return true;
  return isAtLeast(version, '3.6') ? isAtLeast(version, '3.6.13') : isAtLeast(version, '3.5.32');
}
