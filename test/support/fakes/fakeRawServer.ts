import { createServer, type Socket } from 'node:net';
import { listenSomewhere } from '../ports.js';

/** Writes a response to a request, in bytes. */
export type RawAnswer = (path: string, socket: Socket) => void;

/** A server that knows nothing of HTTP but where a request ends: the test writes its responses. */
export interface RawServer {
  readonly endpoint: string;
  readonly open: number;
  close(): Promise<void>;
}

export async function startRawServer(answer: RawAnswer): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let pending = '';
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1');
      for (;;) {
        const end = pending.indexOf('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(pending.slice(0, end))?.[1] ?? 0);
        if (end < 0 || pending.length < end + 4 + length) return;
        const path = pending.split(' ')[1] ?? '';
        pending = pending.slice(end + 4 + length);
        answer(path, socket);
      }
    });
  });
  const port = await listenSomewhere(server);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    get open() {
      return sockets.size;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
