import { of, type Unsubscribable } from 'rxjs';
import { GatheredReads } from './services/internal/getBatcher.js';
import { createCaller, type CallerSettings } from './transport/caller.js';
import { giveUpIn } from './transport/giveUpIn.js';
import { TlsSource } from './transport/tls/certificates.js';
import type { HttpResponse, Transport } from './transport/http/transport.js';
import type { TransportSettings } from './transport/http/undiciTransport.js';

const SETTINGS: CallerSettings = {
  endpoints: ['http://idle.invalid'],
  auth: undefined,
  apiPrefix: undefined,
  headers: {},
  requestTimeoutMs: Infinity,
  maxResponseBytes: Infinity,
  tryTimeoutMs: Infinity,
  discovery: undefined,
  retry: undefined,
  streams: { carrier: 'auto' },
};

/** Nothing of a client's own, whose secrets would be held for as long as the process runs. */
const TRANSPORT: Omit<TransportSettings, 'tls'> = {
  maxConnections: 1,
  connectTimeoutMs: 1_000,
  keepAliveMs: 1_000,
  maxResponseBytes: Infinity,
  connect: () => undefined,
};

const VERSION: HttpResponse = { status: 200, body: '{"etcdserver":"3.5.0"}' };

let idle: readonly Unsubscribable[] | undefined;

/**
 * Keeps one read that waits for a connection for ever, and one deadline that was called off. V8 forgets how objects are laid out of which a full collection finds none, and with that
 * throws away all code that it has optimised for them: calls that come one at a time would begin slowly after each collection, and cost a second core for optimising them anew.
 */
export function keepIdleRead(transportWith: (settings: TransportSettings) => Transport): void {
  if (idle !== undefined) return;
  const transport = transportWith({ ...TRANSPORT, tls: new TlsSource({}) });
  const caller = createCaller(
    {
      ...transport,
      // Asked beforehand what it is, or the read would wait for that.
      exchange: (request, outcome) => (request.method === 'GET' ? of(outcome.read(VERSION)) : transport.exchange(request, outcome)),
    },
    SETTINGS,
  );
  const deadline = giveUpIn(0, () => undefined);
  deadline.unsubscribe();
  idle = [new GatheredReads(caller, {}, Infinity).get('idle').subscribe(), deadline];
}
