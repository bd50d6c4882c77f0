import { startTcpProxy } from '../../support/tcpProxy.js';
import { inTurn } from '../rounds.js';
import type { Scenario } from '../scenario.js';
import { watchThousand } from './watchers.js';

const NAME = 'watchers-1000-sockets';

/** The connections that a thousand watches hold, counted by a proxy that all of them go through. */
export const socketsScenario: Scenario = {
  name: NAME,
  rows: [{ name: NAME, unit: 'sockets', better: 'less' }],
  rounds: { full: 1, quick: 1, warmUp: 0 },
  prepare: async ({ server: { endpoint } }) => {
    const proxy = await startTcpProxy(endpoint);
    const ours = async () => {
      const { end } = await watchThousand(proxy.endpoint);
      const { open } = proxy;
      await end();
      return { [NAME]: open };
    };
    return { round: inTurn({ ours }), end: () => proxy.close() };
  },
};
