import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import type { Contest, Figures, Row, Scenario, Who } from './scenario.js';

/** An owner of connections, until it is ended. */
interface Held {
  end(): Promise<unknown>;
}

/** The connections that something uses, counted by a proxy that all of them pass; ours needs one. */
export function socketsScenario(name: string, holders: Readonly<Partial<Record<Who, (endpoint: string) => Promise<Held>>>>): Scenario {
  const row: Row = { name, unit: 'sockets', better: 'less', target: { ours: 1 } };
  return {
    name,
    rows: [row],
    rounds: { full: 1, quick: 1, warmUp: 0 },
    prepare: async ({ server: { endpoint } }) => {
      const proxy = await startTcpProxy(endpoint);
      const counted = async (hold: (endpoint: string) => Promise<Held>): Promise<Figures> => {
        const { end } = await hold(proxy.endpoint);
        const { open } = proxy;
        await end();
        return { [name]: open };
      };
      const sides = Object.fromEntries(Object.entries(holders).map(([who, hold]) => [who, () => counted(hold)])) as Contest['sides'];
      return { sides, end: () => proxy.close() };
    },
  };
}
