import { EMPTY, type Observable } from 'rxjs';
import type { Rpc } from '../../../src/codec/descriptors.js';
import type { DuplexPart } from '../../../src/transport/http/transport.js';
import { jsonWire } from '../../../src/transport/json/jsonWire.js';
import { messagesOf } from '../../../src/transport/json/streamMessages.js';
import type { DuplexEvent } from '../../../src/transport/wire.js';

/** Reads the JSON of a scripted stream through the wire, as the client does. */
export function overJson<In, A>(rpc: Rpc<In, A>, parts: Observable<DuplexPart>): Observable<DuplexEvent<In, A>> {
  const none = (): Observable<never> => EMPTY;
  const transport = {
    exchange: none,
    stream: none,
    duplex: () => parts,
    release: () => undefined,
    renew: () => undefined,
    close: () => Promise.resolve(),
  };
  const to = { endpoint: { origin: A, address: A, knownEtcd: false }, info: { prefix: '/v3' }, credential: { token: undefined } };
  return jsonWire(transport, { headers: {}, maxResponseBytes: Infinity }, messagesOf).duplex(rpc, { to, transport: 'websocket' });
}

const A = 'http://a:1';
