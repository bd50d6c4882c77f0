import type { Socket } from 'node:net';
import { Lane, startTcpProxy, type Lanes, type TcpProxy } from '../faultProxies/tcpProxy.js';

/** Before the peer port of a member: knows which of the others speaks, so that two members can be parted, one way or both. */
export interface PeerProxy extends Pick<TcpProxy, 'endpoint' | 'cut' | 'refuse' | 'accept' | 'close'> {
  /** What a member says on connections that it makes, and what it is answered on them. Members are named by their ids, in hexadecimal. */
  from(id: string): Lanes;
  /** The same of connections that do not say whose they are: questions after the version, say. */
  readonly fromOthers: Lanes;
}

const UNKNOWN = '';

/** Starts one; it reads who speaks in the head of the first request on a connection. */
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

/** Whom the first request on a connection says that it is from; what was read is put back. */
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
