import { defer, switchMap, type Observable } from 'rxjs';
import type { Transport } from './http/transport.js';

/**
 * A transport that is loaded when it is first used: what it is built on is several times what it takes to load all the rest, and who only wants a type, an
 * error or an operation need not wait for it.
 */
export function lazyTransport(load: () => Promise<Transport>): Transport {
  let loaded: Transport | undefined;
  let loading: Promise<Transport> | undefined;
  const whole = (): Promise<Transport> => (loading ??= load().then((transport) => (loaded = transport)));
  const through = <T>(use: (transport: Transport) => Observable<T>): Observable<T> =>
    loaded === undefined ? defer(whole).pipe(switchMap(use)) : use(loaded);

  return {
    exchange: (request, outcome) => through((transport) => transport.exchange(request, outcome)),
    stream: (request) => through((transport) => transport.stream(request)),
    duplex: (request) => through((transport) => transport.duplex(request)),
    // Before that there are no connections.
    release: (origin) => loaded?.release(origin),
    close: async () => (await whole()).close(),
  };
}
