import { catchError, filter, firstValueFrom, type Observable, Subject, type Subscription, throwError, timeout, TimeoutError } from 'rxjs';
import { requestText } from '../../../src/codec/message.js';
import type { Rpc } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import type { EtcdError } from '../../../src/errors/index.js';
import { settingsOf } from '../../../src/options/clientOptions.js';
import { createStore } from '../../../src/testing/store/index.js';
import { gatewayPrefix, parseVersion } from '../../../src/transport/endpoints/version.js';
import { undiciTransport } from '../../../src/node/undiciTransport.js';
import { jsonWire } from '../../../src/transport/json/jsonWire.js';
import { messagesOf } from '../../../src/transport/json/streamMessages.js';
import { TlsSource } from '../../../src/node/certificates.js';
import type { Destination, DuplexEvent, Wire } from '../../../src/transport/wire.js';
import type { EtcdServer } from '../../support/etcd/index.js';

export type WatchIn = Parameters<typeof watchRpcs.watch.request.write>[0];
export type WatchOut = typeof watchRpcs.watch extends Rpc<infer _, infer A> ? A : never;

/** A stream of watches of one side. */
export interface WatchSide {
  send(request: WatchIn): void;
  /** All responses so far, in their order. */
  readonly responses: readonly WatchOut[];
  /** Resolves when the responses meet a condition. */
  until(what: string, met: (responses: readonly WatchOut[]) => boolean): Promise<void>;
  close(): void;
}

/** A call that may wait. */
export interface OpenedCall {
  cancel(): void;
}

/** Receives the responses and the end of a call. */
export interface CallEvents<A> {
  next(answer: A): void;
  error(error: unknown): void;
}

/** An etcd that carries out programs: a real one, or the one in memory. */
export interface Side {
  readonly name: string;
  token: string | undefined;
  call<In, A>(rpc: Rpc<In, A>, request: In): Promise<A>;
  /** Opens a call that responds with a stream, and returns its first response. */
  first<In, A>(rpc: Rpc<In, A>, request: In): Promise<A>;
  /** Opens a call that waits, or one that responds with a stream. */
  open<In, A>(rpc: Rpc<In, A>, request: In, events: CallEvents<A>): OpenedCall;
  watch(): Promise<WatchSide>;
  close(): Promise<void>;
}

/** A new etcd in memory. Its clock stands still. */
export function memorySide(version: string): Side {
  const store = createStore({ version, now: () => 0 });
  const side: Side = {
    name: 'memory',
    token: undefined,
    call: async (rpc, request) => store.call(rpc, requestText(rpc, request), { token: side.token }),
    first: (rpc, request) =>
      new Promise((resolve, reject) => {
        const call = store.open(rpc, { token: side.token }, { next: resolve, error: reject, complete: () => undefined });
        call.send(requestText(rpc, request));
        call.cancel();
      }),
    open: (rpc, request, { next, error }) => {
      const call = store.open(rpc, { token: side.token }, { next, error, complete: () => undefined });
      call.send(requestText(rpc, request));
      return call;
    },
    watch: async () => {
      const responses: WatchOut[] = [];
      const call = store.open(
        watchRpcs.watch,
        { token: side.token },
        { next: (response) => void responses.push(response), error: (error) => fail(error), complete: () => fail(new Error('it ended')) },
      );
      return {
        responses,
        send: (request) => call.send(requestText(watchRpcs.watch, request)),
        until: async (what, met) => {
          if (!met(responses)) throw new Error(`the memory never sent ${what}: ${JSON.stringify(responses)}`);
        },
        close: () => call.cancel(),
      };
    },
    close: async () => undefined,
  };
  return side;
}

const fail = (error: unknown): never => {
  throw error;
};

/** A real server, over the wire that clients use. */
export function realSide({ endpoint, version }: Pick<EtcdServer, 'endpoint' | 'version'>): Side {
  const settings = settingsOf({});
  const wire: Wire = jsonWire(undiciTransport({ ...settings, tls: new TlsSource({}) }), settings, messagesOf);
  const parsed = parseVersion(version);
  const prefix = parsed && gatewayPrefix(parsed);
  if (prefix === undefined) throw new Error(`not a version with a gateway: ${version}`);
  const to = (): Destination => ({
    endpoint: { origin: endpoint, address: endpoint, knownEtcd: true },
    info: { prefix },
    credential: { token: side.token },
  });
  const recover = (error: unknown): Observable<never> => throwError(() => error);
  const side: Side = {
    name: `etcd ${version}`,
    token: undefined,
    call: (rpc, request) => firstValueFrom(wire.unary(rpc, request)({ to: to(), recover })),
    first: (rpc, request) => firstValueFrom(wire.stream(rpc, request)({ to: to() })),
    open: (rpc, request, events) => {
      const subscription = (
        rpc.unbounded === true ? wire.unary(rpc, request)({ to: to(), recover }) : wire.stream(rpc, request)({ to: to() })
      ).subscribe(events);
      return { cancel: () => subscription.unsubscribe() };
    },
    watch: () => openWatch(wire, to()),
    close: () => wire.close(),
  };
  return side;
}

/** The timeout for a missing response, also on a busy machine. */
const WAIT_MS = 60_000;

/** Reports the missing output. */
export const late =
  (what: string) =>
  (error: unknown): never => {
    throw error instanceof TimeoutError ? new Error(`not within ${WAIT_MS} ms: ${what}`) : error;
  };

function openWatch(wire: Wire, to: Destination): Promise<WatchSide> {
  const responses: WatchOut[] = [];
  const arrived = new Subject<void>();
  return new Promise((resolve, reject) => {
    const events: Observable<DuplexEvent<WatchIn, WatchOut>> = wire.duplex(watchRpcs.watch, { to, transport: 'websocket' });
    const subscription: Subscription = events.subscribe({
      next: (event) => {
        if (event.type === 'message') {
          responses.push(event.message);
          arrived.next();
        }
        if (event.type !== 'open') return;
        resolve({
          responses,
          send: event.send,
          until: async (what, met) => {
            if (!met(responses))
              await firstValueFrom(
                arrived.pipe(
                  filter(() => met(responses)),
                  timeout(WAIT_MS),
                  catchError(late(what)),
                ),
              );
          },
          close: () => subscription.unsubscribe(),
        });
      },
      error: (error: EtcdError) => {
        arrived.error(error);
        reject(error);
      },
    });
  });
}
