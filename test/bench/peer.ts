import { Etcd3, type IOptions, type Watcher } from 'etcd3';

/** The other client: npm's `etcd3`, over gRPC. */
export type Peer = Etcd3;

/** Creates the client with its defaults, and these options. */
export const peerClient = (endpoint: string, options: Pick<IOptions, 'grpcOptions'> = {}): Peer =>
  new Etcd3({ hosts: endpoint, ...options });

/** Closes it. A client that is closed while it watches would try to connect forever. */
export async function closePeer(peer: Peer, watchers: readonly Watcher[] = []): Promise<void> {
  await Promise.all(watchers.map((watcher) => watcher.cancel()));
  peer.close();
}
