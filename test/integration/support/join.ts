import type { Client } from 'rxetcd';
import { freePorts, startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { only } from './outcomes.js';

/** A member that was added but does not run yet. */
export interface Seat {
  readonly peerUrl: string;
  /** Starts it, for it to join the cluster. */
  start(): Promise<EtcdServer>;
}

/** A place for another member beside those that `etcd` knows; it has yet to be added. */
export async function newSeat(etcd: Client): Promise<Seat> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const name = `joined-${peerPort}`;
  return {
    peerUrl,
    start: async () => {
      const { members } = await only(etcd.cluster.memberList());
      // The newcomer is among them, without a name as yet.
      const initialCluster = members
        .flatMap((member) => member.peerUrls.map((url) => `${url === peerUrl ? name : member.name}=${url}`))
        .join(',');
      return startEtcd({
        own: true,
        name,
        clientPort,
        peerPort,
        args: ['--initial-cluster', initialCluster, '--initial-cluster-state', 'existing'],
      });
    },
  };
}
