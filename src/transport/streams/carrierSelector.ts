import { steadyNow } from '../steadyNow.js';
import { isAtLeast, type ServerVersion } from '../endpoints/version.js';
import type { DuplexCarrier } from '../http/transport.js';

/** What carries a stream: both ways and many at a time, or one POST each whose answer comes in chunks. */
export type Carrier = DuplexCarrier | 'chunked';

/** What a choice depends on. */
export interface Terms {
  readonly origin: string;
  readonly version: ServerVersion | undefined;
  /** A token has to be shown. */
  readonly authenticated: boolean;
}

/** Before it, the proxy of etcd closes a WebSocket on a message of more than 64 KiB. */
const WHOLE_MESSAGES = '3.4.16';
const SUSPICIOUS_LOSSES = 3;
const SUSPICION_MS = 60_000;

/**
 * Which carrier for which endpoint. What turns out not to work there is not used there again, as long as this client lives.
 */
export class CarrierChoice {
  private readonly unusable = new Map<string, Set<Carrier>>();
  private readonly losses = new Map<string, readonly number[]>();

  constructor(private readonly preferred: Carrier | 'auto') {}

  choose(terms: Terms): Carrier {
    if (this.preferred !== 'auto') return this.preferred;
    const unusable = this.unusable.get(terms.origin);
    return candidates(terms).find((carrier) => unusable?.has(carrier) !== true) ?? 'chunked';
  }

  /** It is not spoken there. */
  refused(origin: string, carrier: Carrier): void {
    const known = this.unusable.get(origin) ?? new Set();
    this.unusable.set(origin, known.add(carrier));
  }

  /**
   * A stream broke. An old server says no more than that when a message was too long for it, so that broken connections one upon the other are
   * all there is to tell it by.
   */
  lost({ origin, version }: Terms, carrier: Carrier): void {
    if (carrier !== 'websocket' || version === undefined || isAtLeast(version, WHOLE_MESSAGES)) return;
    const now = steadyNow();
    const recent = [...(this.losses.get(origin) ?? []).filter((at) => now - at < SUSPICION_MS), now];
    this.losses.set(origin, recent);
    if (recent.length >= SUSPICIOUS_LOSSES) this.refused(origin, carrier);
  }
}

function candidates({ origin, version, authenticated }: Terms): readonly Carrier[] {
  const tls = origin.startsWith('https:');
  const webSocket = !authenticated || takesTokenOverWebSocket(version);
  const whole = version === undefined || isAtLeast(version, WHOLE_MESSAGES);
  const http2 = tls ? (['http2'] as const) : [];
  if (!webSocket) return [...http2, 'chunked'];
  return whole && !authenticated ? ['websocket', ...http2, 'chunked'] : [...http2, 'websocket', 'chunked'];
}

/** etcd's proxy hands the subprotocol on in the form that its auth takes from these patch releases on. */
function takesTokenOverWebSocket(version: ServerVersion | undefined): boolean {
  if (version === undefined || isAtLeast(version, '3.7')) return true;
  return isAtLeast(version, '3.6') ? isAtLeast(version, '3.6.13') : isAtLeast(version, '3.5.32');
}
