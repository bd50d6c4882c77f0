import { bundlePackage, FIRST_GET, runAlone } from '../../alone.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** The first read of a process, loading the package included: by `import` and by `require`. */
export const firstCallScenario: ScaleScenario = {
  name: 'first-call',
  of: 'calls',
  sizes: { full: [1], short: [1] },
  rounds: { full: 15, short: 1 },
  rows: [
    { figure: 'importMs', unit: 'ms', goals: { toPeer: 0.8 } },
    { figure: 'importCpuMs', unit: 'ms', goals: { toPeer: 0.8 } },
    { figure: 'importHeap', unit: 'MiB', goals: { toPeer: 1 } },
    { figure: 'requireMs', unit: 'ms' },
    { figure: 'requireCpuMs', unit: 'ms' },
    { figure: 'requireHeap', unit: 'MiB', goals: { toPeer: 1 } },
    // The index of undici loads 110 files; an etcd client uses 22 of them.
    { figure: 'undiciFiles', unit: 'files', goals: { atMost: 30 }, count: true },
  ],
  prepare: bundlePackage,
  subjects: { ours: (stage) => measured('ours', stage), peer: (stage) => measured('peer', stage) },
};

async function measured(who: 'ours' | 'peer', { endpoint }: ScaleStage): Promise<Record<string, number>> {
  const esm = await runAlone(FIRST_GET.esm[who], 'esm', endpoint);
  const cjs = await runAlone(FIRST_GET.cjs[who], 'cjs', endpoint);
  return {
    importMs: esm.ms,
    importCpuMs: esm.cpuMs,
    importHeap: esm.MiB,
    requireMs: cjs.ms,
    requireCpuMs: cjs.cpuMs,
    requireHeap: cjs.MiB,
    ...(who === 'ours' ? { undiciFiles: Math.max(esm.undiciFiles, cjs.undiciFiles) } : {}),
  };
}
