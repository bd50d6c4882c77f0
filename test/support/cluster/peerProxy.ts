import type { Socket } from 'node:net';
import { Lane, startTcpProxy, type Lanes, type TcpProxy } from '../faultProxies/tcpProxy.js';

/**
 * A proxy in front of the peer port of a member. It knows which other member sends, so that two members can be
 * partitioned, in one direction or both.
 */
export interface PeerProxy extends Pick<TcpProxy, 'endpoint' | 'cut' | 'refuse' | 'accept' | 'close'> {
  /**
   * Returns the lanes of the connections that a member opened: its requests, and the responses to them. `id` is in
   * hexadecimal.
   */
  from(id: string): Lanes;
  /** The lanes of connections that do not name their member, such as requests for the version. */
  readonly fromOthers: Lanes;
}

const UNKNOWN = '';

/** Starts a proxy; it reads the sender in the head of the first request on a connection. */
export async function startPeerProxy(target: string): Promise<PeerProxy> {
  const lanes = new Map<string, Lanes>();
  const from = (id: string): Lanes => {
    const known = lanes.get(id) ?? { up: new Lane(() => proxy.cut()), down: new Lane(() => proxy.cut()) };
    lanes.set(id, known);
    return known;
  };
  const proxy = await startTcpProxy(target, async (socket) => from(await senderOf(socket)));
  const { endpoint, cut, refuse, accept, close } = proxy;
  return { endpoint, cut, refuse, accept, close, from, fromOthers: from(UNKNOWN) };
}

/** Resolves with the sender that the first request on a connection names; the bytes that were read are put back. */
function senderOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let head = Buffer.alloc(0);
    const end = (): void => void socket.destroy();
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read).off('end', end).pause();
      socket.unshift(head);
      resolve(/\r\nX-Server-From: *([0-9a-f]+)\r\n/i.exec(head.toString('latin1'))?.[1] ?? UNKNOWN);
    };
    socket.on('data', read).on('end', end);
  });
}
