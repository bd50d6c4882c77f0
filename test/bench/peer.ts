import { Etcd3, type IOptions, type Watcher } from 'etcd3';

/** The other client: npm's `etcd3`, over gRPC. */
export type Peer = Etcd3;

/** As it comes, but for the options that are given. */
export const peerClient = (endpoint: string, options: Pick<IOptions, 'grpcOptions'> = {}): Peer =>
  new Etcd3({ hosts: endpoint, ...options });

/** A client that is closed while it watches would try to connect for ever. */
export async function closePeer(peer: Peer, watchers: readonly Watcher[] = []): Promise<void> {
  await Promise.all(watchers.map((watcher) => watcher.cancel()));
  peer.close();
}
