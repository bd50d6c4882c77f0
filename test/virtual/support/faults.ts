import { asyncScheduler } from 'rxjs';
import type { Reason } from '../../../src/index.js';
import type { MemoryEtcd } from '../../support/memory/servers.js';
import type { Random } from '../../support/random.js';

export const HOUR_MS = 3_600_000;

/** Temporary failures. */
const PASSING: readonly Reason[] = ['Unreachable', 'ConnectionLost', 'NoLeader', 'Timeout', 'LeaderChanged'];

/** Applies the faults, and observes their effects. */
interface OnChange {
  mayCompact(revision: number): boolean;
  compacted(revision: number): void;
  restarted(): void;
  /** From here on, the store is another one. */
  wiped(): void;
}

/** A schedule of faults of the server, the same for the same seed. */
export function faultsOf({ server, network }: MemoryEtcd, random: Random, onChange: OnChange): () => void {
  const { endpoints } = server;
  const forAWhile = (end: () => void): void => void asyncScheduler.schedule(end, random.int(1, random.pick([50, 2_000, 20_000, 120_000])));
  const somewhere = (): string | undefined => (random.chance(0.4) ? undefined : random.pick(endpoints));
  const faults: readonly (() => void)[] = [
    () => server.breakConnections(somewhere()),
    () => {
      const endpoint = somewhere();
      server.disconnect(endpoint);
      forAWhile(() => server.connect(endpoint));
    },
    () => {
      const endpoint = somewhere();
      server.refuse(endpoint);
      forAWhile(() => server.connect(endpoint));
    },
    () => {
      const endpoint = somewhere();
      server.stall(random.pick(['requests', 'responses']), endpoint);
      forAWhile(() => server.resume(endpoint));
    },
    () => server.dropResponse(),
    () => server.fail((call) => !call.rpc.startsWith('GET '), random.pick(PASSING)),
    () => server.changeLeader(),
    () => {
      server.restart();
      onChange.restarted();
    },
    () => {
      if (random.chance(0.5)) return (server.restart({ wipe: true }), onChange.wiped());
      server.breakConnections();
    },
    () => server.notifyProgress(),
    () => server.expireTokens(),
    () => {
      if (endpoints.length < 3) return server.breakConnections();
      server.isolate(random.pick(endpoints));
      forAWhile(() => server.heal());
    },
    () => {
      const { revision, compactRevision } = network.store;
      const to = random.int(Math.max(1, compactRevision + 1), revision);
      if (to <= compactRevision || to > revision || !onChange.mayCompact(to)) return;
      server.compact(to);
      onChange.compacted(to);
    },
  ];
  return () => random.pick(faults)();
}
