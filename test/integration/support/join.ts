import type { Client } from 'rxetcd';
import { freePorts, startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { only } from './outcomes.js';

/** A member that was added but does not run yet. */
export interface Seat {
  readonly peerUrl: string;
  /** Starts the member, so that it joins the cluster. */
  start(): Promise<EtcdServer>;
}

/** Prepares another member beside those that `etcd` knows; it must be added afterwards. */
export async function newSeat(etcd: Client): Promise<Seat> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const name = `joined-${peerPort}`;
  return {
    peerUrl,
    start: async () => {
      const { members } = await only(etcd.cluster.memberList());
      // The new member is in the list, without a name so far.
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
