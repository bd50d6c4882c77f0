import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { inMemory } from '../memory/mode.js';
import { listen, listenSomewhere } from '../ports.js';
import type { CuttingProxy } from './types.js';

export type { CuttingProxy } from './types.js';

/** Starts a proxy in front of a server, on a separate port. */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  if (inMemory) return (await import('../memory/proxies.js')).memoryCuttingProxy(target);
  const { hostname, port: targetPort } = new URL(target);
  const sockets = new Set<Socket>();
  let cutting = false;
  let cuts = new Set<string>();
  let calls = 0;
  const isDue = ({ url = '' }: IncomingMessage): boolean => {
    calls += 1;
    if (!cutting || cuts.has(url)) return false;
    cuts.add(url);
    return true;
  };
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };

  const server = createServer((incoming, outgoing) => pass(target, incoming, outgoing, isDue(incoming)));
  server.on('connection', keep);
  server.on('upgrade', (incoming: IncomingMessage, client: Socket, head: Buffer) => {
    const due = isDue(incoming);
    const upstream = connect({ host: hostname, port: Number(targetPort) });
    keep(upstream);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      socket.on('close', () => other.destroy());
    upstream.write(headOf(incoming));
    upstream.write(head);
    let chunks = 0;
    // The first response is that of the handshake; the next one belongs to the request on the stream.
    upstream.on('data', () => {
      chunks += 1;
      if (due && chunks === 2) client.destroy();
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  const refuse = (): Promise<void> =>
    new Promise((resolve) => {
      if (!server.listening) return resolve();
      server.close(() => resolve());
      cut();
    });
  const port = await listenSomewhere(server);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    cutEach: () => {
      cutting = true;
      cuts = new Set();
      cut();
    },
    get cuts() {
      return cuts;
    },
    get calls() {
      return calls;
    },
    refuse,
    accept: () => listen(server, port),
    close: refuse,
  };
}

function pass(target: string, incoming: IncomingMessage, outgoing: ServerResponse, due: boolean): void {
  const { method = 'GET', headers } = incoming;
  const onward = request(`${target}${incoming.url ?? ''}`, { method, headers, agent: false }, (answer) => {
    if (due) {
      incoming.socket.destroy();
      onward.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => outgoing.destroy());
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

function headOf({ method = 'GET', url = '/', rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at] ?? ''}: ${rawHeaders[at + 1] ?? ''}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
