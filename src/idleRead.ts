import { of, type Unsubscribable } from 'rxjs';
import { GatheredReads } from './gatheredReads.js';
import { createCaller, type CallerSettings } from './transport/caller.js';
import { giveUpIn } from './transport/giveUpIn.js';
import type { HttpResponse, Transport } from './transport/transport.js';

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

const VERSION: HttpResponse = { status: 200, body: '{"etcdserver":"3.5.0"}' };

let idle: readonly Unsubscribable[] | undefined;

/**
 * Keeps one read that waits for a connection for ever, and one deadline that was called off. V8 forgets how objects are laid out of which a full collection finds none, and with that
 * throws away all code that it has optimised for them: calls that come one at a time would begin slowly after each collection, and cost a second core for optimising them anew.
 *
 * @param unconnected makes a transport whose connections are never there
 */
export function keepIdleRead(unconnected: () => Transport): void {
  if (idle !== undefined) return;
  const transport = unconnected();
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
