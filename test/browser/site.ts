import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { listenSomewhere } from '../support/ports.js';

/** A web server with the files of an app. It passes `/etcd/…` on to an etcd, WebSockets too. */
export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

export interface SiteFile {
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** Serves what `fileAt` returns for a path, for an etcd that is reached through the site. */
export async function serveSite(etcd: string, fileAt: (path: string) => SiteFile): Promise<Site> {
  const upstream = (request: IncomingMessage) => ({
    host: '127.0.0.1',
    port: new URL(etcd).port,
    method: request.method,
    path: request.url?.replace(/^\/etcd/, ''),
    headers: request.headers,
  });
  const server: Server = createServer((request, response) => {
    const { url = '/' } = request;
    if (!url.startsWith('/etcd/')) {
      const { type, body } = fileAt(url);
      response.writeHead(200, { 'content-type': type }).end(body);
      return;
    }
    const onward = httpRequest(upstream(request), (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      response.on('close', () => answer.destroy());
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const onward = httpRequest(upstream(request));
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
    onward.on('response', (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} no\r\nconnection: close\r\n\r\n`));
    onward.on('upgrade', (answer: IncomingMessage, other: Socket, rest: Buffer) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      socket.write(rest);
      other.on('error', () => socket.destroy()).on('close', () => socket.destroy());
      socket.on('close', () => other.destroy());
      other.pipe(socket).pipe(other);
    });
    onward.end(head);
  });
  const origin = `http://127.0.0.1:${await listenSomewhere(server)}`;
  return {
    origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
