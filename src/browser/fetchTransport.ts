import { Observable } from 'rxjs';
import { EtcdError } from '../errors/index.js';
import type { HttpRequest, Transport } from '../transport/http/transport.js';
import { FetchExchange, type FetchRequest, FetchStream } from './fetchRequest.js';
import { browserHost, type BrowserHost } from './host.js';
import { PagePresence } from './pagePresence.js';
import { webSocketDuplex } from './webSocket.js';

/**
 * The most streams to a host over HTTP/1.1. A browser has six connections to a host, and two are left for calls. Over
 * TLS etcd speaks HTTP/2, which has no such limit.
 */
const MOST_STREAMS = 4;

/** How long closing waits for the sockets, in milliseconds. */
const FAREWELL_MS = 1_000;

/** Makes the transport for browsers, over `fetch` and `WebSocket`. */
export function fetchTransport({ maxResponseBytes }: { readonly maxResponseBytes: number }, host: BrowserHost = browserHost): Transport {
  const running = new Set<FetchRequest>();
  const leaving = new Set<Promise<void>>();
  const streams = new Map<string, number>();
  const page = new PagePresence(host);
  let closed = false;

  const whereOf = ({ rpc, origin, endpoint = origin }: Pick<HttpRequest, 'rpc' | 'origin' | 'endpoint'>) => ({ rpc, endpoint });
  const clientClosed = (request: Parameters<typeof whereOf>[0]): EtcdError =>
    new EtcdError('ClientClosed', 'the client is closed', whereOf(request));

  /** Takes one of the streams that a host may have. Returns a function that gives it back. */
  function takeStream(request: HttpRequest): () => void {
    const { origin } = request;
    const open = streams.get(origin) ?? 0;
    if (origin.startsWith('http:') && open >= MOST_STREAMS) {
      throw new EtcdError(
        'TooManyPending',
        `${open} streams are open, and a browser has six connections to a host over HTTP/1.1; use https, or WebSocket, or fewer distinct watches`,
        whereOf(request),
      );
    }
    streams.set(origin, open + 1);
    return () => streams.set(origin, (streams.get(origin) ?? 1) - 1);
  }

  return {
    exchange: (request, outcome) =>
      new Observable((subscriber) => {
        if (closed) return outcome.recover(clientClosed(request)).subscribe(subscriber);
        return new FetchExchange(request, running, maxResponseBytes, outcome, subscriber).start(host);
      }),

    stream: (request) =>
      new Observable((subscriber) => {
        subscriber.add(
          page.whenHere(() => {
            if (closed) return subscriber.error(clientClosed(request));
            try {
              subscriber.add(takeStream(request));
            } catch (error) {
              return subscriber.error(error);
            }
            const stream = new FetchStream(request, running, maxResponseBytes, subscriber);
            subscriber.add(page.onLeave(() => stream.leave()));
            subscriber.add(stream.start(host));
          }),
        );
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
      await Promise.race([Promise.all(leaving), new Promise((resolve) => setTimeout(resolve, FAREWELL_MS))]);
    },
  };
}
