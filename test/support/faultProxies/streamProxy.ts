import type { Socket } from 'node:net';
import { Lane, startTcpProxy, type TcpProxy } from './tcpProxy.js';

/** A proxy in front of a server that breaks WebSockets only: calls pass. */
export interface StreamProxy extends Pick<TcpProxy, 'endpoint' | 'close'> {
  /** Ends every WebSocket and rejects new ones, until {@link StreamProxy.acceptStreams}. */
  refuseStreams(): void;
  acceptStreams(): void;
}

/** Starts a proxy; it reads in the head of the first request on a connection whether that becomes a WebSocket. */
export async function startStreamProxy(target: string): Promise<StreamProxy> {
  const streams = new Set<Socket>();
  let refused = false;
  const cut = (): void => streams.forEach((stream) => stream.destroy());
  const own = { up: new Lane(cut), down: new Lane(cut) };
  const others = { up: new Lane(cut), down: new Lane(cut) };
  const { endpoint, close } = await startTcpProxy(target, async (socket) => {
    if (!(await becomesWebSocket(socket))) return others;
    streams.add(socket);
    socket.on('close', () => streams.delete(socket));
    if (refused) socket.destroy();
    return own;
  });
  return {
    endpoint,
    close,
    refuseStreams: () => {
      refused = true;
      cut();
    },
    acceptStreams: () => void (refused = false),
  };
}

/** The bytes that were read are put back. */
function becomesWebSocket(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    let head = Buffer.alloc(0);
    const end = (): void => void socket.destroy();
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read).off('end', end).pause();
      socket.unshift(head);
      resolve(/\r\nupgrade: *websocket\r\n/i.test(head.toString('latin1')));
    };
    socket.on('data', read).on('end', end);
  });
}
