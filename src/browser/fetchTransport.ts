import { asyncScheduler, firstValueFrom, Observable, race, Subscription, timer } from 'rxjs';
import { type ErrorDetails, EtcdError } from '../errors/index.js';
import type { HttpRequest, Transport } from '../transport/http/transport.js';
import { clientClosed, FetchExchange, type FetchDeps, type FetchRequest, FetchStream, whereOf } from './fetchRequest.js';
import { browserHost, type BrowserHost, PagePresence } from './host.js';
import { CLOSE_TIMEOUT_MS, webSocketDuplex } from './webSocket.js';

/**
 * The maximum number of streams to a host over HTTP/1.1. A browser opens at most six connections to a host, so two are
 * left for calls. Over TLS, etcd uses HTTP/2, which has no such limit.
 */
const MAX_STREAMS = 4;
/**
 * The maximum number of streams while one of them replaces another one. Without this extra stream, no stream could be
 * replaced at the limit.
 */
const MAX_WITH_REPLACEMENTS = MAX_STREAMS + 1;

/**
 * How long a stream waits until another one ends, in milliseconds. This time is less than the default of
 * `streams.responseTimeoutMs`, the timeout of a watch's first response.
 */
const WAIT_MS = 1_000;

/**
 * Limits the number of streams to each host, together with the calls that wait at the server. So connections are left
 * for other calls.
 */
class StreamSlots {
  private readonly hosts = new Map<string, { open: number; readonly waiting: Set<() => void> }>();

  /**
   * Runs `start` when the host may have another stream. Runs `refuse` if no stream ends within {@link WAIT_MS}. The
   * slot is released when the returned Subscription ends.
   */
  take(request: HttpRequest, start: () => void, refuse: (error: EtcdError) => void): Subscription {
    const { origin, replaces = false } = request;
    const taken = new Subscription();
    const host = this.hosts.get(origin) ?? { open: 0, waiting: new Set() };
    this.hosts.set(origin, host);
    const begin = (): void => {
      host.open += 1;
      taken.add(() => {
        host.open -= 1;
        if (host.open >= MAX_STREAMS) return;
        const [next] = host.waiting;
        next?.();
      });
      start();
    };
    if (!origin.startsWith('http:') || host.open < (replaces ? MAX_WITH_REPLACEMENTS : MAX_STREAMS)) {
      begin();
      return taken;
    }
    const timeout = asyncScheduler.schedule(() => {
      host.waiting.delete(proceed);
      refuse(tooMany(host.open, whereOf(request)));
    }, WAIT_MS);
    const proceed = (): void => {
      host.waiting.delete(proceed);
      timeout.unsubscribe();
      begin();
    };
    host.waiting.add(proceed);
    taken.add(timeout);
    taken.add(() => host.waiting.delete(proceed));
    return taken;
  }
}

const tooMany = (open: number, where: ErrorDetails): EtcdError =>
  new EtcdError(
    'TooManyPending',
    `streams or waiting calls use ${open} of the browser's six HTTP/1.1 connections; use https, WebSocket, or fewer streams`,
    where,
  );

/**
 * The limits of streams. All clients of a page or worker share them, as the browser counts their connections together.
 */
const slots = new StreamSlots();

/** Creates the transport for browsers, over `fetch` and `WebSocket`. */
export function fetchTransport({ maxResponseBytes }: { readonly maxResponseBytes: number }, host: BrowserHost = browserHost): Transport {
  const running = new Set<FetchRequest>();
  const deps: FetchDeps = { host, maxResponseBytes, running };
  const closing = new Set<Promise<void>>();
  const page = new PagePresence(host);
  const failedSockets = new Map<string, number>();
  let closed = false;

  return {
    exchange: (request, outcome) =>
      new Observable((subscriber) => {
        const refuse = (error: EtcdError): void => subscriber.add(outcome.recover(error).subscribe(subscriber));
        const start = (): void => {
          if (closed) return refuse(clientClosed(whereOf(request)));
          subscriber.add(new FetchExchange(request, deps, outcome, subscriber).start());
        };
        // A call that waits at the server, for example for a lock, uses its connection for as long as a stream does.
        if (request.patient === true) subscriber.add(slots.take(request, start, refuse));
        else start();
      }),

    stream: (request) =>
      new Observable((subscriber) => {
        if (closed) return subscriber.error(clientClosed(whereOf(request)));
        const start = (): void => {
          if (closed) return subscriber.error(clientClosed(whereOf(request)));
          const stream = new FetchStream(request, deps, subscriber);
          subscriber.add(page.onLeave(() => stream.leave()));
          subscriber.add(stream.start());
        };
        // The stream that used the slot may have ended because the user left the page, or the client was closed. So
        // both are checked again.
        const startWhenHere = (): void => subscriber.add(page.whenHere(start));
        subscriber.add(slots.take(request, startWhenHere, (error) => subscriber.error(error)));
      }),

    duplex: (request) =>
      new Observable((subscriber) => {
        subscriber.add(
          page.whenHere(() => {
            if (closed) return subscriber.error(clientClosed(whereOf(request)));
            webSocketDuplex(request, { host, page, maxResponseBytes, closing, failedSockets }).subscribe(subscriber);
          }),
        );
      }),

    // There is nothing to do, as the browser manages the connections.
    release: () => undefined,
    renew: () => undefined,

    close: async () => {
      closed = true;
      page.close();
      for (const request of [...running]) request.close();
      await firstValueFrom(race(Promise.all(closing), timer(CLOSE_TIMEOUT_MS)));
    },
  };
}
