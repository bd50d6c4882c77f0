import { Observable } from 'rxjs';
import type { Dispatcher } from 'undici';
import { http2Duplex } from './carriers/http2.js';
import { webSocketDuplex } from './carriers/websocket.js';
import type { EtcdError } from '../errors/index.js';
import { connectionError } from './connectionError.js';
import { poolsByOrigin, type Pools, type PoolSettings } from './pools.js';
import type { HttpRequest, HttpResponse, StreamPart, Transport } from './transport.js';

/** The transport of Node: a pool of undici an endpoint for calls, and one for streams, which would otherwise hold the calls' places. */
export function undiciTransport(settings: PoolSettings): Transport {
  const calls = poolsByOrigin(settings, settings.maxConnections);
  const streams = poolsByOrigin(settings, null);
  return {
    exchange: (request) => exchange(calls, request),
    stream: (request) => stream(streams, request),
    duplex: (request) => (request.carrier === 'http2' ? http2Duplex(request, settings) : webSocketDuplex(request, settings)),
    close: async () => {
      await Promise.all([calls.destroy(), streams.destroy()]);
    },
  };
}

/** What a subscription does with the parts of a response. */
interface Reader {
  onStart?(status: number): void;
  onData(bytes: Buffer): void;
  onEnd(): void;
  onError(error: EtcdError): void;
}

/** Sends a request; gives the function that aborts it. */
function dispatch(pools: Pools, { origin, method, path, headers, body, rpc, onSent }: HttpRequest, reader: Reader): () => void {
  let controller: Dispatcher.DispatchController | undefined;
  let ended = false;
  let sent = false;
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      // Unsubscribed while it waited for a connection: it must not leave any more. To throw is to leave out this request; to abort would be to
      // close the connection with it, and the next in the queue would have to make another.
      if (ended) throw clientAbort();
      sent = true;
      onSent?.();
    },
    onResponseStart: (_, status) => reader.onStart?.(status),
    onResponseData: (_, bytes) => reader.onData(bytes),
    onResponseEnd: () => {
      ended = true;
      reader.onEnd();
    },
    onResponseError: (_, error) => {
      if (ended) return;
      ended = true;
      reader.onError(connectionError(error, sent, { rpc, endpoint: origin }));
    },
  };
  pools.of(origin).dispatch({ method, path, headers, body: body ?? null }, handler);
  return () => {
    if (ended) return;
    ended = true;
    controller?.abort(clientAbort());
  };
}

/** undici wants a reason; nobody is left to see it. */
const clientAbort = (): Error => new Error('unsubscribed');

function exchange(pools: Pools, request: HttpRequest): Observable<HttpResponse> {
  return new Observable((subscriber) => {
    let status = 0;
    const chunks: Buffer[] = [];
    return dispatch(pools, request, {
      onStart: (code) => (status = code),
      onData: (bytes) => chunks.push(bytes),
      onEnd: () => {
        subscriber.next({ status, body: textOf(chunks) });
        subscriber.complete();
      },
      onError: (error) => subscriber.error(error),
    });
  });
}

function stream(pools: Pools, request: HttpRequest): Observable<StreamPart> {
  return new Observable((subscriber) => {
    let status = 0;
    const refusal: Buffer[] = [];
    return dispatch(pools, request, {
      onStart: (code) => (status = code),
      onData: (bytes) => {
        if (status === 200) subscriber.next({ type: 'chunk', bytes });
        else refusal.push(bytes);
      },
      onEnd: () => {
        if (status !== 200) subscriber.next({ type: 'refused', response: { status, body: textOf(refusal) } });
        subscriber.complete();
      },
      onError: (error) => subscriber.error(error),
    });
  });
}

/** Nearly every answer is one chunk. */
const textOf = (chunks: Buffer[]): string =>
  (chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)).toString('utf8');
