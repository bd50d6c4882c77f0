import { firstValueFrom, Observable, race, timer } from 'rxjs';
import { EtcdError } from '../errors/index.js';
import type { HttpRequest, Transport } from '../transport/http/transport.js';
import { FetchExchange, type FetchRequest, FetchStream } from './fetchRequest.js';
import { browserHost, type BrowserHost } from './host.js';
import { PagePresence } from './pagePresence.js';
import { StreamSlots } from './streamSlots.js';
import { webSocketDuplex } from './webSocket.js';

/** How long closing waits for the sockets, in milliseconds. */
const FAREWELL_MS = 1_000;

/** Shared by all clients of a page or worker, as the browser counts their connections together. */
const slots = new StreamSlots();

/** Makes the transport for browsers, over `fetch` and `WebSocket`. */
export function fetchTransport({ maxResponseBytes }: { readonly maxResponseBytes: number }, host: BrowserHost = browserHost): Transport {
  const running = new Set<FetchRequest>();
  const leaving = new Set<Promise<void>>();
  const page = new PagePresence(host);
  let closed = false;

  const whereOf = ({ rpc, origin, endpoint = origin }: Pick<HttpRequest, 'rpc' | 'origin' | 'endpoint'>) => ({ rpc, endpoint });
  const clientClosed = (request: Parameters<typeof whereOf>[0]): EtcdError =>
    new EtcdError('ClientClosed', 'the client is closed', whereOf(request));

  return {
    exchange: (request, outcome) =>
      new Observable((subscriber) => {
        if (closed) return outcome.recover(clientClosed(request)).subscribe(subscriber);
        return new FetchExchange(request, running, maxResponseBytes, outcome, subscriber).start(host);
      }),

    stream: (request) =>
      new Observable((subscriber) => {
        if (closed) return subscriber.error(clientClosed(request));
        const start = (): void => {
          if (closed) return subscriber.error(clientClosed(request));
          const stream = new FetchStream(request, running, maxResponseBytes, subscriber);
          subscriber.add(page.onLeave(() => stream.leave()));
          subscriber.add(stream.start(host));
        };
        // The slot may be that of a stream which has just ended because the page was left, or the client closed.
        const startWhenHere = (): void => subscriber.add(page.whenHere(start));
        subscriber.add(slots.take(request.origin, whereOf(request), startWhenHere, (error) => subscriber.error(error)));
      }),

    duplex: (request) =>
      new Observable((subscriber) => {
        subscriber.add(
          page.whenHere(() => {
            if (closed) return subscriber.error(clientClosed(request));
            webSocketDuplex(request, { host, page, maxResponseBytes, leaving }).subscribe(subscriber);
          }),
        );
      }),

    // The browser keeps the connections.
    release: () => undefined,

    close: async () => {
      closed = true;
      page.close();
      for (const request of [...running]) request.close();
      await firstValueFrom(race(Promise.all(leaving), timer(FAREWELL_MS)));
    },
  };
}
