import { from, lastValueFrom } from 'rxjs';
import { createClient } from '../../../../src/index.js';
import { putAll } from '../../../../operators/index.js';
import { keyOf, VALUE } from '../../fill.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** Entries written by `putAll`. */
export const putAllScenario: ScaleScenario = {
  name: 'put-all',
  of: 'entries',
  sizes: { full: [25_000, 50_000, 100_000], short: [5_000, 10_000, 20_000] },
  rows: [
    { figure: 'clientCpuMs', unit: 'ms', goals: { exponent: 1.1 } },
    { figure: 'serverCpuMs', unit: 'ms', goals: { exponent: 1.1 } },
    { figure: 'longestStallMs', unit: 'ms' },
  ],
  subjects: { ours },
};

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, prefix, size } = stage;
  const etcd = createClient({ endpoints: endpoint });
  const entries = Array.from({ length: size }, (_, index) => ({ key: keyOf(prefix, index), value: VALUE }));
  const cost = await costOf(stage, () => lastValueFrom(from(entries).pipe(putAll(etcd.kv))));
  await etcd.close();
  return { ...cost };
}
