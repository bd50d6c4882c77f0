import { firstValueFrom, Observable, race, timer, asyncScheduler, Subscription } from 'rxjs';
import { EtcdError, type ErrorDetails } from '../errors/index.js';
import type { HttpRequest, Transport } from '../transport/http/transport.js';
import { FetchExchange, type FetchRequest, FetchStream } from './fetchRequest.js';
import { browserHost, type BrowserHost, PagePresence } from './host.js';
import { webSocketDuplex } from './webSocket.js';

/**
 * The most streams to a host over HTTP/1.1. A browser has six connections to a host, and two are left for calls. Over
 * TLS etcd speaks HTTP/2, which has no such limit.
 */
const MOST_STREAMS = 4;

/** How long a stream waits for another to end, in milliseconds: less than the timeout of its first response. */
const WAIT_MS = 1_000;

/** Limits the streams to each host, so that they leave connections for calls. */
export class StreamSlots {
  private readonly hosts = new Map<string, { open: number; readonly waiting: Set<() => void> }>();

  /**
   * Runs `start` when the host may have one more stream, or `refuse` when none has ended for a while. The slot is free
   * again when the Subscription that is returned ends.
   */
  take(origin: string, where: ErrorDetails, start: () => void, refuse: (error: EtcdError) => void): Subscription {
    const taken = new Subscription();
    const host = this.hosts.get(origin) ?? { open: 0, waiting: new Set() };
    this.hosts.set(origin, host);
    const begin = (): void => {
      host.open += 1;
      taken.add(() => {
        host.open -= 1;
        const [next] = host.waiting;
        next?.();
      });
      start();
    };
    if (!origin.startsWith('http:') || host.open < MOST_STREAMS) {
      begin();
      return taken;
    }
    const patience = asyncScheduler.schedule(() => {
      host.waiting.delete(proceed);
      refuse(tooMany(host.open, where));
    }, WAIT_MS);
    const proceed = (): void => {
      host.waiting.delete(proceed);
      patience.unsubscribe();
      begin();
    };
    host.waiting.add(proceed);
    taken.add(patience);
    taken.add(() => host.waiting.delete(proceed));
    return taken;
  }
}

const tooMany = (open: number, where: ErrorDetails): EtcdError =>
  new EtcdError(
    'TooManyPending',
    `${open} streams are open, and a browser has six connections to a host over HTTP/1.1; use https, or WebSocket, or fewer distinct watches`,
    where,
  );

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
