import { connect, createServer, type Socket } from 'node:net';
import { Lane, type Lanes } from './proxyDirection.js';
import { inMemory } from '../memory/mode.js';
import { listen, listenSomewhere } from '../ports.js';

import type { TcpProxy } from './types.js';

export { Lane, type Lanes } from './proxyDirection.js';
export type { TcpProxy } from './types.js';

/** Chooses the lanes of a new connection; by default those of the proxy. */
export type ChooseLanes = (client: Socket) => Promise<Lanes>;

/** Starts a proxy in front of a server, on a separate port. */
export async function startTcpProxy(target: string, choose?: ChooseLanes): Promise<TcpProxy> {
  if (inMemory) return (await import('../memory/proxies.js')).memoryProxy(target);
  const { hostname, port: targetPort } = new URL(target);
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  let accepted = 0;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const own: Lanes = { up: new Lane(cut), down: new Lane(cut) };
  // allowHalfOpen: an end passes through the lane like all data.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted += 1;
    const upstream = connect({ host: hostname, port: Number(targetPort), allowHalfOpen: true });
    clients.add(client);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        clients.delete(socket);
        other.destroy();
      });
    }
    const tie = ({ up, down }: Lanes): void => {
      up.connect(client, upstream);
      down.connect(upstream, client);
      // A function that has inspected the socket may have paused it.
      client.resume();
    };
    if (choose === undefined) tie(own);
    else void choose(client).then(tie);
  });
  const refuse = (): Promise<void> =>
    new Promise((resolve) => {
      if (!server.listening) return resolve();
      server.close(() => resolve());
      cut();
    });
  const port = await listenSomewhere(server);
  return {
    ...own,
    endpoint: `http://127.0.0.1:${port}`,
    get accepted() {
      return accepted;
    },
    get open() {
      return clients.size;
    },
    cut,
    refuse,
    accept: () => listen(server, port),
    close: refuse,
  };
}
