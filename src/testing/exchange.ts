import { asyncScheduler, Subscription } from 'rxjs';
import type { Rpc } from '../codec/descriptors.js';
import { codeOf, EtcdError, isEtcdError, type ErrorDetails, messageOf, type Reason, SERVER_REASONS, serverError } from '../errors/index.js';
import type { Destination } from '../transport/wire.js';
import type { Fault, Member, Network, RecordedCall } from './network.js';
import type { CallContext, CallObserver, ServerCall } from './store/index.js';

/** A request as the client has created it, and the text that is sent. */
export interface Message {
  readonly request: unknown;
  readonly body: string;
}

/** A request of a client, or a stream of requests. */
export interface ExchangeOptions<A> {
  readonly rpc: Pick<Rpc<never, A>, 'name' | 'safety' | 'needsLeader'>;
  readonly to: Pick<Destination, 'endpoint' | 'unconfirmed'> & Partial<Destination>;
  /** The first request, which is sent as soon as the connection is open. */
  readonly first?: Message;
  /** Whether the responses depend on changes that the member receives from other members. */
  readonly isStream?: boolean;
  /** Begins the call at a member, which then receives the requests. */
  readonly open: (member: Member, context: CallContext, observer: CallObserver<A>) => ServerCall;
}

/** Receives the events of an exchange. No method is called after `error` or `complete`. */
export interface ExchangeObserver<A> {
  /** Called before the first request is sent. */
  sent?: (() => void) | undefined;
  /** Called when the connection is open, and the first request was sent. */
  opened?(): void;
  /** Called with a response, and the revision of the store at that time. */
  next(response: A, revision: number): void;
  error(error: unknown): void;
  complete?(): void;
}

/** The time after which an isolated member fails a call, in milliseconds. etcd has the same timeout. */
const QUORUM_MS = 7_000;

/** The reasons of errors that a server can send. */
const OF_SERVER: ReadonlySet<Reason> = new Set(SERVER_REASONS);
const isOfServer = (reason: Reason): reason is (typeof SERVER_REASONS)[number] => OF_SERVER.has(reason);

/** A request, or a stream of requests, on a separate connection to a member. */
export class Exchange<A> implements CallObserver<A> {
  private state: 'open' | 'closed' | 'cut' = 'open';
  private member: Member | undefined;
  private call: ServerCall | undefined;
  /** Whether the connection breaks in place of the next response. */
  private isDropping = false;
  private timer = Subscription.EMPTY;
  private readonly where: ErrorDetails;

  /** @param onEnd called when the exchange has ended, or was closed */
  constructor(
    private readonly network: Network,
    private readonly options: ExchangeOptions<A>,
    private readonly observer: ExchangeObserver<A>,
    private readonly onEnd: (exchange: Exchange<A>) => void,
  ) {
    this.where = { rpc: options.rpc.name, endpoint: options.to.endpoint.address };
    network.soon(() => this.connect());
  }

  /** Sends another request. */
  send(message: Message): void {
    const { member } = this;
    if (this.state !== 'open' || member === undefined) return;
    const call = this.record(message);
    const fault = this.network.takeFault(call);
    this.network.toServer(member.requests, () => this.arrive(member, call, message, fault));
  }

  /** Ends the stream of requests. Responses still arrive afterwards. */
  end(): void {
    const { member } = this;
    if (member !== undefined) this.network.toServer(member.requests, () => this.call?.end());
  }

  /** Closes the connection. Requests that were sent before still reach the server, which then cancels the call. */
  unsubscribe(): void {
    const { member } = this;
    if (this.finish('closed') && member !== undefined) this.network.toServer(member.requests, () => this.cancel());
  }

  /** Closes the connection because the client is closed. The exchange fails with `ClientClosed`. */
  abort(): void {
    if (this.state !== 'open') return;
    this.unsubscribe();
    this.observer.error(closedError(this.where));
  }

  /** Breaks the connection: the server cancels the call, and the client loses the connection. */
  cut(): void {
    if (!this.finish('cut')) return;
    this.cancel();
    this.observer.error(new EtcdError('ConnectionLost', 'no response: the connection was lost', this.where));
  }

  next(response: A): void {
    const { revision } = this.network.store;
    this.respond(() => this.observer.next(response, revision));
  }

  error(error: EtcdError): void {
    this.respond(() => this.fail(error));
  }

  complete(): void {
    // The call has ended, so there is nothing to cancel.
    this.call = undefined;
    if (this.observer.complete === undefined) return;
    this.toClient(() => {
      if (this.finish('closed')) this.observer.complete?.();
    });
  }

  private connect(): void {
    if (this.state !== 'open') return;
    const { first, to } = this.options;
    const member = this.network.accepting(to.endpoint.origin);
    const call = first && this.record(first);
    const fault = member && call && this.network.takeFault(call);
    if (member === undefined || (fault?.type === 'fail' && fault.reason === 'Unreachable')) {
      this.fail(new EtcdError('Unreachable', `no connection: ${this.network.whyRefused(to.endpoint.origin)}`, this.where));
      return;
    }
    this.member = member;
    member.connections.add(this);
    if (first !== undefined && call !== undefined) {
      this.observer.sent?.();
      this.network.toServer(member.requests, () => this.arrive(member, call, first, fault));
    }
    if (this.isOpen()) this.observer.opened?.();
  }

  private isOpen(): boolean {
    return this.state === 'open';
  }

  private record({ request }: Message): RecordedCall {
    return { rpc: this.options.rpc.name, endpoint: this.options.to.endpoint.address, request, at: asyncScheduler.now() };
  }

  private arrive(member: Member, call: RecordedCall, { request, body }: Message, fault: Fault | undefined): void {
    // If a connection breaks, a request that has not arrived is lost.
    if (this.state === 'cut') return;
    this.network.calls.push(call);
    if (fault?.type === 'fail') return this.refuse(fault.reason);
    this.isDropping ||= fault?.type === 'drop';
    if (member.isIsolated && needsQuorum(this.options.rpc, request)) return this.refuseWithoutQuorum();
    this.network.serve(() => {
      try {
        const opened = (this.call ??= this.open(member));
        opened.send(body);
      } catch (error) {
        // The server does not have this RPC.
        if (!isEtcdError(error)) throw error;
        this.error(error);
      }
    });
  }

  private open(member: Member): ServerCall {
    const { to, open } = this.options;
    const context = { token: to.credential?.token, memberId: member.id, endpoint: to.endpoint.address };
    return open(member, context, this);
  }

  private refuse(reason: Reason): void {
    if (reason === 'ConnectionLost') this.toClient(() => this.cut());
    else if (isOfServer(reason)) this.error(serverError(`etcdserver: ${messageOf(reason)}`, codeOf(reason), this.where));
    else this.error(new EtcdError(reason, 'the test wants this call to fail', this.where));
  }

  private refuseWithoutQuorum(): void {
    if (this.options.rpc.needsLeader === true) this.refuse('NoLeader');
    else this.timer = asyncScheduler.schedule(() => this.refuse('Timeout'), QUORUM_MS);
  }

  /** Delivers a response, unless a fault breaks the connection in its place. */
  private respond(deliver: () => void): void {
    this.toClient(() => (this.isDropping ? this.cut() : deliver()));
  }

  private toClient(arrive: () => void): void {
    const { member, network } = this;
    if (this.state !== 'open' || member === undefined) return;
    const deliver = (): void => {
      if (this.state === 'open') arrive();
    };
    if (this.options.isStream === true) member.replication.pass(() => network.toClient(member.responses, deliver));
    else network.toClient(member.responses, deliver);
  }

  private fail(error: unknown): void {
    if (this.finish('closed')) this.observer.error(error);
  }

  private cancel(): void {
    const { call } = this;
    if (call !== undefined) this.network.serve(() => call.cancel());
  }

  /** @returns false if the exchange had already ended */
  private finish(state: 'closed' | 'cut'): boolean {
    if (this.state !== 'open') return false;
    this.state = state;
    this.member?.connections.delete(this);
    this.timer.unsubscribe();
    this.onEnd(this);
    return true;
  }
}

/** Creates the error of a request on a closed client. */
export const closedError = (where: ErrorDetails): EtcdError => new EtcdError('ClientClosed', 'the client is closed', where);

/** Returns whether a member needs a quorum to carry out a request. */
function needsQuorum({ name, safety, needsLeader }: ExchangeOptions<unknown>['rpc'], request: unknown): boolean {
  if (needsLeader === true) return true;
  if (name.startsWith('GET ')) return false;
  if (name.startsWith('Maintenance.')) return safety === 'write';
  return !(typeof request === 'object' && request !== null && 'serializable' in request && request.serializable === true);
}
