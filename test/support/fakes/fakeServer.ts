import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { listenSomewhere } from '../ports.js';

/** A request as it arrived, complete. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Responds to a request. A script that writes nothing leaves the client waiting. */
export interface FakeReply {
  /** Sends a complete response, as the gateway does. */
  json(status: number, body: unknown): void;
  text(status: number, body: string, contentType?: string): void;
  /** Begins a streamed response; the caller writes to it, and may end it. */
  stream(): ServerResponse;
  /** The bare connection, for data that no HTTP server would send. */
  readonly socket: Socket;
  /** Ends the connection without a response. */
  cut(): void;
}

export type FakeScript = (request: FakeRequest, reply: FakeReply) => void;

export interface FakeServer {
  readonly endpoint: string;
  /** The requests that arrived, `GET /version` included. */
  readonly requests: readonly FakeRequest[];
  /** The requests at a path. */
  at(path: string): readonly FakeRequest[];
  /** The response to `GET /version`; undefined leaves it to the script. A change simulates an upgrade. */
  version: string | undefined;
  /** The responses to all other requests. May be changed. */
  script: FakeScript;
  /** The number of connections that were accepted, and of those that are open. */
  readonly accepted: number;
  readonly open: number;
  close(): Promise<void>;
}

/** A response that suits most RPCs. */
export const OK: FakeScript = (_, reply) => reply.json(200, { header: { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' } });

/**
 * A scripted server, for behaviour that cannot be caused in a real etcd: an old version, an invalid error, an
 * incomplete response.
 */
export async function startFakeServer(script: FakeScript = OK, version: string | undefined = '3.5.0'): Promise<FakeServer> {
  const requests: FakeRequest[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const request: FakeRequest = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
      };
      requests.push(request);
      const reply = replyTo(response, incoming.socket);
      if (request.path === '/version' && fake.version !== undefined)
        reply.json(200, { etcdserver: fake.version, etcdcluster: fake.version });
      else fake.script(request, reply);
    });
  });
  server.on('connection', (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // Many tests close the connection of a client on purpose.
    socket.on('error', () => socket.destroy());
  });
  const port = await listenSomewhere(server);
  const fake: FakeServer = {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    at: (path) => requests.filter((request) => request.path === path),
    version,
    script,
    get accepted() {
      return accepted;
    },
    get open() {
      return sockets.size;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return fake;
}

function replyTo(response: ServerResponse, socket: Socket): FakeReply {
  const text: FakeReply['text'] = (status, body, contentType = 'text/plain') => {
    response.writeHead(status, { 'content-type': contentType });
    response.end(body);
  };
  return {
    text,
    json: (status, body) => text(status, JSON.stringify(body), 'application/json'),
    stream: () => response.writeHead(200, { 'content-type': 'application/json' }),
    socket,
    cut: () => socket.destroy(),
  };
}
