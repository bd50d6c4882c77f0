import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type EtcdError, InvalidOptionError } from '../../errors/index.js';
import type { ServerVersion } from '../../transport/endpoints/version.js';
import { Exchange } from '../exchange.js';
import { plainGet } from '../memoryWire.js';
import type { Member, Network } from '../network.js';
import type { StoreResponse } from '../store/index.js';
import { type Dialect, dialectOf, NOT_FOUND, type Page, textPage } from './dialect.js';
import { type CallReader, type Gateway, GatewayCall } from './gatewayCall.js';
import { respondStream, respondUnary, writePage } from './httpCalls.js';
import { type Route, routesOf } from './routes.js';
import { WebSocketCalls } from './webSocketCalls.js';

/** The address on which a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The JSON gateway of a member, on a port of this machine. */
export class GatewayServer implements Gateway {
  readonly dialect: Dialect;
  private readonly routes: ReadonlyMap<string, Route>;
  private readonly webSockets = new WebSocketCalls(this);
  private readonly http: Server;
  private member: { readonly network: Network; readonly at: Member } | undefined;

  constructor(version: ServerVersion) {
    this.dialect = dialectOf(version);
    this.routes = routesOf(version);
    // Like etcd, the server does not close idle connections. A request that arrives while the server closes its
    // connection would be lost.
    this.http = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => this.handle(request, response));
    this.http.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
    this.http.on('connection', (socket) => this.follow(socket));
  }

  /**
   * Starts to listen, and returns the endpoint.
   *
   * @throws InvalidOptionError if the server cannot listen at the address
   */
  async listen({ host, port }: Address): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, { host, port }));
      this.http.once('error', fail);
      this.http.listen(port, host, () => {
        this.http.off('error', fail);
        resolve();
      });
    });
    return `http://${hostIn(this.address)}:${this.address.port}`;
  }

  /** Begins to serve a member. The gateway refuses connections while the member refuses them. */
  serve(network: Network, at: Member): void {
    this.member = { network, at };
    const { address, port } = this.address;
    at.onAccepts = (accepts) => {
      if (!accepts) this.http.close();
      else if (!this.http.listening) this.http.listen(port, address);
    };
  }

  /** Begins a call at the member. */
  call(route: Route, authorization: string | undefined, reader: CallReader): GatewayCall {
    const { network, at } = this.serving;
    const token = this.dialect.knowsBearer ? authorization?.replace(/^Bearer /, '') : authorization;
    return new GatewayCall(network, at, route, { token, isV2: this.dialect.isV2 }, reader);
  }

  async close(): Promise<void> {
    this.webSockets.close();
    await new Promise<void>((resolve) => {
      this.http.close(() => resolve());
      this.http.closeAllConnections();
    });
  }

  private get address(): AddressInfo {
    const address = this.http.address();
    if (address === null || typeof address === 'string') throw new Error('the server is not listening');
    return address;
  }

  private get serving(): NonNullable<GatewayServer['member']> {
    if (this.member === undefined) throw new Error('the server has no member yet');
    return this.member;
  }

  /** Breaks a connection when the connections of the member break. */
  private follow(socket: Socket): void {
    if (this.member === undefined) return void socket.destroy();
    const { connections } = this.member.at;
    const connection = { cut: () => void socket.destroy() };
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const { method = 'GET', url = '/' } = request;
    const { cors } = this.dialect;
    for (const [name, value] of Object.entries(cors ?? {})) response.setHeader(name, value);
    const rpcPath = this.rpcPathIn(url);
    if (method === 'OPTIONS' && cors !== undefined) {
      response.writeHead(200, { 'content-length': 0 }).end();
    } else if (rpcPath === undefined) {
      this.respondPlain(method, url, response);
    } else {
      const route = this.routes.get(rpcPath);
      if (route === undefined) writePage(response, this.dialect.notFound);
      else if (method !== 'POST') writePage(response, this.dialect.notAllowed);
      else (route.streams === 'none' ? respondUnary : respondStream)(this, route, request, response);
    }
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const rpcPath = this.rpcPathIn(request.url ?? '/');
    if (rpcPath === undefined) socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    else this.webSockets.accept(this.routes.get(rpcPath), request, socket, head);
  }

  /** Returns the path after the prefix of the gateway; undefined if the path does not have the prefix. */
  private rpcPathIn(url: string): string | undefined {
    const [path = ''] = url.split('?');
    const prefix = this.dialect.prefixes.find((each) => path.startsWith(`${each}/`));
    return prefix === undefined ? undefined : path.slice(prefix.length);
  }

  private respondPlain(method: string, url: string, response: ServerResponse): void {
    if (method !== 'GET') return writePage(response, IS_READ_ONLY.test(url) ? NOT_GET : NOT_FOUND);
    const { network, at } = this.serving;
    const { endpoint } = at;
    const options = {
      ...plainGet(network, url, `GET ${url.split('?')[0] ?? ''}`),
      to: { endpoint: { origin: endpoint, address: endpoint, knownEtcd: true } },
    };
    const exchange = new Exchange<StoreResponse>(
      network,
      options,
      {
        next: ({ status, body }) => writePage(response, plainPage(url, status, body)),
        error: () => response.destroy(),
      },
      () => undefined,
    );
    response.on('close', () => exchange.unsubscribe());
  }
}

const IS_READ_ONLY = /^\/(version|health)\b/;
const NOT_GET = textPage(405, 'Method Not Allowed\n', { allow: 'GET' });

/** Creates a plain response with the content type that etcd would set. */
function plainPage(url: string, status: number, body: string): Page {
  if (status === 404) return NOT_FOUND;
  if (url.startsWith('/version')) return { status, headers: { 'content-type': 'application/json' }, body };
  if (url.startsWith('/health')) return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
  if (url.startsWith('/metrics')) return { status, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, body };
  return textPage(status, body);
}

/** Returns the host of an endpoint. If the server listens on all addresses, it is the loopback address. */
function hostIn({ address, family }: AddressInfo): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return family === 'IPv6' ? `[${address}]` : address;
}

function listenError({ code, message }: NodeJS.ErrnoException, { host, port }: Address): EtcdError {
  if (code === 'EADDRINUSE') {
    return new InvalidOptionError('port', `expected a free port, received ${port}: another program listens there`);
  }
  if (code === 'EACCES') return new InvalidOptionError('port', `expected a port that this user may listen on, received ${port}`);
  return new InvalidOptionError('host', `expected an address of this machine, received ${host}: ${message}`);
}
