import type { Json, ResponseCodec, Rpc } from '../../codec/descriptors.js';
import { WatchResponse, watchRpcs } from '../../codec/watch.js';
import { type EtcdError, hasReason, isEtcdError } from '../../errors/index.js';
import { Exchange, type ExchangeOptions, type Message } from '../exchange.js';
import type { Member, Network } from '../network.js';
import { type CallObserver, gatewayJson, type RefusedCall } from '../store/index.js';
import type { Dialect } from './dialect.js';
import { readMessage, recorded } from './requestJson.js';
import type { Route } from './routes.js';

/** Receives the events of a call. No method is called after `refused`, `cut` or `complete`. */
export interface CallReader {
  next(response: Json): void;
  /** Called with the error of the server. */
  refused(refused: RefusedCall): void;
  /** Called when the connection breaks. */
  cut(): void;
  complete(): void;
}

/** The part of a member's gateway that HTTP and WebSocket calls use. */
export interface Gateway {
  readonly dialect: Dialect;
  /** Creates a call. It sends no request until `send` is called. */
  call(route: Route, authorization: string | undefined, reader: CallReader): GatewayCall;
}

/** The codec that passes on a response unchanged, in the form in which the gateway writes it. */
const AS_JSON: ResponseCodec<Json> = { read: (json) => json as Json, explain: () => [] };

/** A call from another process. It passes JSON requests on to a member, and passes JSON responses back. */
export class GatewayCall {
  private exchange: Exchange<Json> | undefined;
  private refusedBy: RefusedCall | undefined;
  /** The requests that wait until the connection to the member is open. */
  private waiting: (() => void)[] | undefined = [];

  constructor(
    private readonly network: Network,
    private readonly member: Member,
    private readonly route: Route,
    private readonly options: { readonly token: string | undefined; readonly isV2: boolean },
    private readonly reader: CallReader,
  ) {}

  /** Whether a request was sent. */
  get hasBegun(): boolean {
    return this.exchange !== undefined;
  }

  /**
   * Sends a request. The first one begins the call.
   *
   * @throws BadRequest
   */
  send(json: unknown): void {
    const message = this.read(json);
    if (this.exchange === undefined) this.exchange = this.begin(message);
    else this.whenOpen((exchange) => exchange.send(message));
  }

  /** Handles the end of the client's requests. */
  end(): void {
    if (this.exchange !== undefined) this.whenOpen((exchange) => exchange.end());
    else if (this.route.streams === 'responses') this.send({});
    else if (this.route.rpc.path !== watchRpcs.watch.path) this.reader.complete();
  }

  /** Ends the call, because its client has disconnected. */
  close(): void {
    this.exchange?.unsubscribe();
  }

  private read(json: unknown): Message {
    const { kind } = this.route.rpc.request;
    if (kind === undefined) throw new Error(`${this.route.rpc.name} has no description of its request`);
    const request = readMessage(kind, json, this.options.isV2);
    return { request: recorded(kind, request), body: JSON.stringify(request) };
  }

  private whenOpen(run: (exchange: Exchange<Json>) => void): void {
    const { exchange } = this;
    if (exchange === undefined) return;
    if (this.waiting === undefined) run(exchange);
    else this.waiting.push(() => run(exchange));
  }

  private begin(first: Message): Exchange<Json> {
    const { rpc, streams } = this.route;
    const { endpoint } = this.member;
    const to: ExchangeOptions<Json>['to'] = {
      endpoint: { origin: endpoint, address: endpoint, knownEtcd: true },
      credential: { token: this.options.token },
    };
    const options: ExchangeOptions<Json> = {
      rpc,
      to,
      first,
      isStream: streams !== 'none',
      open: (member, context, observer) => this.open(member, context, this.noting(observer)),
    };
    return new Exchange(
      this.network,
      options,
      {
        opened: () => {
          const { waiting = [] } = this;
          this.waiting = undefined;
          for (const run of waiting) run();
        },
        next: (response) => this.reader.next(response),
        error: (error) => this.fail(error),
        complete: () => this.reader.complete(),
      },
      () => undefined,
    );
  }

  private readonly open: ExchangeOptions<Json>['open'] = (member, context, observer) => {
    const { rpc } = this.route;
    if (rpc.path !== watchRpcs.watch.path) return this.network.open<Json>(asJson(rpc), member, context, observer);
    // The network records the open watches, so it needs decoded responses.
    return this.network.open(watchRpcs.watch, member, context, {
      next: (response) => observer.next(gatewayJson(WatchResponse, response)),
      error: (error, refused) => observer.error(error, refused),
      complete: () => observer.complete(),
    });
  };

  /** Records the server's error with its original text, which the `EtcdError` does not contain. */
  private noting(observer: CallObserver<Json>): CallObserver<Json> {
    return {
      next: (response) => observer.next(response),
      error: (error, refused) => {
        this.refusedBy = refused;
        observer.error(error, refused);
      },
      complete: () => observer.complete(),
    };
  }

  private fail(error: unknown): void {
    const isCut = !isEtcdError(error) || hasReason(error, 'Unreachable', 'ConnectionLost');
    const refused = this.refusedBy ?? (isCut ? undefined : wantedByTest(error));
    if (refused === undefined) return this.reader.cut();
    this.reader.refused(asPassedOn(this.route.rpc.path, refused));
  }
}

/**
 * Returns an error in the form in which the gateway receives it. The errors of locks, elections and snapshots have the
 * code `Unknown`. An auth error of a snapshot has the prefix `auth:` in place of `etcdserver:`.
 */
function asPassedOn(path: string, { text, code }: RefusedCall): RefusedCall {
  if (path === '/maintenance/snapshot') return { text: text.replace(OF_AUTH_STORE, 'auth:'), code: 'Unknown' };
  return { text, code: /^\/(lock|election)\//.test(path) ? 'Unknown' : code };
}

const OF_AUTH_STORE = /^etcdserver:(?= (invalid auth token|permission denied))/;

const asJson = (rpc: Rpc<never, unknown>): Rpc<never, Json> => {
  const { list: _, ...rest } = rpc;
  return { ...rest, response: AS_JSON };
};

/** Returns the error that a test has requested, without the endpoint in its text. */
const wantedByTest = ({ message, code }: EtcdError): RefusedCall => ({ text: message.replace(/ \([^()]*\)$/, ''), code });
