import { asyncScheduler, Observable } from 'rxjs';
import { requestText } from '../codec/message.js';
import type { Rpc } from '../codec/descriptors.js';
import { EtcdError } from '../errors/index.js';
import { GatewayResponse } from '../transport/json/responseError.js';
import type {
  Attempt,
  CallAttempt,
  DuplexAttempt,
  DuplexEvent,
  Later,
  PlainRequest,
  PlainResponse,
  RawResponse,
  Wire,
} from '../transport/wire.js';
import { closedError, Exchange, type ExchangeObserver, type ExchangeOptions, type Message } from './exchange.js';
import type { Network } from './network.js';
import type { StoreResponse } from './store/index.js';

/** Sends the messages of a client to the members of an etcd in memory. */
export class MemoryWire implements Wire {
  private readonly exchanges = new Set<{ abort(): void }>();
  private isClosed = false;

  constructor(private readonly network: Network) {}

  unary<In, A>(rpc: Rpc<In, A>, request: In): (attempt: CallAttempt<A>) => Observable<A> {
    const first = messageOf(rpc, request);
    return ({ to, onSent, onReceived, onRevision, onResponse, recover }) =>
      new Observable((subscriber) => {
        const fail = (failure: unknown): void => void recover(failure).subscribe(subscriber);
        return this.begin<A>(this.rpcTo(rpc, to, { first }), {
          sent: onSent,
          next: (response, revision) => {
            try {
              onReceived?.();
              onRevision?.(revision);
              onResponse?.(response);
            } catch (failure) {
              return fail(failure);
            }
            subscriber.next(rpc.raw === true ? (rawResponse(response) as A) : response);
            subscriber.complete();
          },
          error: fail,
        });
      });
  }

  stream<In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>): (attempt: Attempt) => Observable<A> {
    const first = messageOf(rpc, request);
    const second = later && messageOf(rpc, later.request);
    return ({ to, onSent, onReceived, onRevision }) =>
      new Observable((subscriber) => {
        let hasResponse = false;
        const sendRest = (): void => {
          if (second !== undefined) exchange?.send(second);
          exchange?.end();
        };
        const exchange = this.begin<A>(this.rpcTo(rpc, to, { first, isStream: true }), {
          sent: onSent,
          opened: () => {
            if (later === undefined) sendRest();
            else subscriber.add(asyncScheduler.schedule(sendRest, later.afterMs));
          },
          next: (response, revision) => {
            hasResponse = true;
            try {
              onReceived?.();
              onRevision?.(revision);
            } catch (failure) {
              return subscriber.error(failure);
            }
            subscriber.next(rpc.raw === true ? ({ result: response } as A) : response);
          },
          error: (failure) => subscriber.error(failure),
          complete: () => (hasResponse ? subscriber.complete() : subscriber.error(endedError(rpc, to))),
        });
        return exchange;
      });
  }

  duplex<In, A>(rpc: Rpc<In, A>, { to, onRevision }: DuplexAttempt<In>): Observable<DuplexEvent<In, A>> {
    return new Observable((subscriber) => {
      const exchange = this.begin<A>(this.rpcTo(rpc, to, { isStream: true }), {
        opened: () => subscriber.next({ type: 'open', send: (request) => exchange?.send(messageOf(rpc, request)) }),
        next: (message, revision) => {
          try {
            onRevision?.(revision);
          } catch (failure) {
            return subscriber.error(failure);
          }
          subscriber.next({ type: 'message', message });
        },
        error: (failure) => subscriber.error(failure),
        complete: () => subscriber.error(endedError(rpc, to)),
      });
      return exchange;
    });
  }

  get({ to, path, name, onSent, onReceived }: PlainRequest): Observable<PlainResponse> {
    const { address: endpoint, knownEtcd } = to.endpoint;
    return new Observable((subscriber) =>
      this.begin<StoreResponse>(
        { ...plainGet(this.network, path, name), to },
        {
          sent: onSent,
          next: ({ status, body }) => {
            onReceived?.();
            subscriber.next(new GatewayResponse({ status, body }, { rpc: name, endpoint, knownEtcd }));
            subscriber.complete();
          },
          error: (failure) => subscriber.error(failure),
        },
      ),
    );
  }

  /** Does nothing. Each exchange has a separate connection, which is closed with the exchange. */
  release(): void {}

  renew(): void {}

  close(): Promise<void> {
    this.isClosed = true;
    for (const exchange of [...this.exchanges]) exchange.abort();
    return Promise.resolve();
  }

  private rpcTo<In, A>(rpc: Rpc<In, A>, to: Attempt['to'], rest: Pick<ExchangeOptions<A>, 'first' | 'isStream'>): ExchangeOptions<A> {
    const { network } = this;
    return { rpc, to, ...rest, open: (member, context, observer) => network.open(rpc, member, context, observer) };
  }

  /** Begins an exchange. It ends when the returned object is unsubscribed from. */
  private begin<A>(options: ExchangeOptions<A>, observer: ExchangeObserver<A>): Exchange<A> | undefined {
    if (this.isClosed) {
      observer.error(closedError({ rpc: options.rpc.name, endpoint: options.to.endpoint.address }));
      return undefined;
    }
    const exchange = new Exchange(this.network, options, observer, () => this.exchanges.delete(exchange));
    this.exchanges.add(exchange);
    return exchange;
  }
}

/** Returns a raw response as a gateway would send it. The response of a raw RPC is already JSON. */
const rawResponse = (response: unknown): RawResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(response),
});

/** Encodes a request. The original request is kept for the record of calls. */
const messageOf = <In>(rpc: Rpc<In, unknown>, request: In): Message => ({ request, body: requestText(rpc, request) });

const endedError = ({ name: rpc }: Rpc<never, unknown>, { endpoint: { address: endpoint } }: Attempt['to']): EtcdError =>
  new EtcdError('ConnectionLost', 'the server ended the stream', { rpc, endpoint });

/** Returns the exchange for a plain GET from a member. */
export function plainGet(network: Network, path: string, name: string): Pick<ExchangeOptions<StoreResponse>, 'rpc' | 'first' | 'open'> {
  return {
    rpc: { name, safety: 'read' },
    first: { request: path, body: path },
    open: ({ isIsolated }, _, observer) => ({
      send: () => observer.next(responseTo(network, path, isIsolated)),
      end: () => undefined,
      cancel: () => undefined,
    }),
  };
}

function responseTo({ store }: Network, path: string, isIsolated: boolean): StoreResponse {
  if (path.startsWith('/v3')) return NOT_A_POST;
  return isIsolated && READS_A_QUORUM.test(path) ? NO_LEADER : store.get(path);
}

/** The response to a GET request at the path of an RPC. It shows a client the generation of the gateway. */
const NOT_A_POST: StoreResponse = { status: 405, body: '{"code":12,"message":"Method Not Allowed"}' };
/** Matches the paths of the checks that need a quorum, and therefore fail on an isolated member. */
const READS_A_QUORUM = /^\/(health|readyz)\b/;
const NO_LEADER: StoreResponse = { status: 503, body: '{"health":"false","reason":"RAFT NO LEADER"}' };
