import { bundlePackage, FIRST_GET, runAlone } from '../alone.js';
import type { Figures, Scenario } from '../scenario.js';

const ALONE = {
  ours: `await import(RXETCD); done();`,
  peer: `await import('etcd3'); done();`,
  // The dependencies of rxetcd.
  floor: `await Promise.all(['undici', 'rxjs', 'io-ts', 'fp-ts/lib/Either.js', 'immutable'].map((name) => import(name))); done();`,
};

interface StartingTargets {
  readonly ms: number;
  readonly heap: number;
}

/** Until the package is loaded, or until it has been used once: it loads its transport at the first use. */
function starting(name: string, { ours, peer, floor }: typeof ALONE, toPeer: StartingTargets): Scenario {
  return {
    name,
    rows: [
      { name, unit: 'ms', better: 'less', target: { toPeer: toPeer.ms } },
      { name: `${name}-heap`, unit: 'MiB', better: 'less', target: { toPeer: toPeer.heap } },
    ],
    rounds: { full: 15, quick: 4, warmUp: 1 },
    prepare: async ({ server: { endpoint } }) => {
      await bundlePackage();
      const measured = async (work: string): Promise<Figures> => {
        const { ms, MiB } = await runAlone(work, 'esm', endpoint);
        return { [name]: ms, [`${name}-heap`]: MiB };
      };
      return {
        sides: { ours: () => measured(ours), peer: () => measured(peer), floor: () => measured(floor) },
        end: async () => undefined,
      };
    },
  };
}

export const importScenario: Scenario = starting('import', ALONE, { ms: 0.5, heap: 0.5 });
export const firstGetScenario: Scenario = { ...starting('first-get', FIRST_GET.esm, { ms: 0.8, heap: 1 }), slow: true };
