import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { listenSomewhere } from '../ports.js';

/** A request as it arrived, whole. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How a script answers. To answer nothing is to leave the client waiting. */
export interface FakeReply {
  /** One whole answer, as a gateway gives it. */
  json(status: number, body: unknown): void;
  text(status: number, body: string, contentType?: string): void;
  /** The beginning of a streamed answer; write to it and end it, or not. */
  stream(): ServerResponse;
  /** The bare connection, for what no HTTP server would say. */
  readonly socket: Socket;
  /** Ends the connection without a word. */
  cut(): void;
}

export type FakeScript = (request: FakeRequest, reply: FakeReply) => void;

export interface FakeServer {
  readonly endpoint: string;
  /** What came in, `GET /version` included. */
  readonly requests: readonly FakeRequest[];
  /** What came in at a path. */
  at(path: string): readonly FakeRequest[];
  /** What `GET /version` answers; undefined leaves it to the script. May be changed: an upgrade. */
  version: string | undefined;
  /** How everything else is answered. May be changed. */
  script: FakeScript;
  /** Connections that were made, and those that are open. */
  readonly accepted: number;
  readonly open: number;
  close(): Promise<void>;
}

/** The answer that most RPCs can live with. */
export const OK: FakeScript = (_, reply) => reply.json(200, { header: { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' } });

/**
 * A server that says what it is told to: for what a real etcd cannot be made to do on demand (an old version, a wrong error shape, an answer cut in half).
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
    // A client that hangs up is what many tests are about.
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
