import { firstValueFrom } from 'rxjs';
import { createClient } from '../../../../src/index.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** Leases that are granted together, held, and released by `close()`. */
export const leasesClosedScenario: ScaleScenario = {
  name: 'leases-closed',
  of: 'leases',
  sizes: { full: [2_000, 8_000, 32_000], short: [1_000, 2_000, 4_000] },
  rows: [
    { figure: 'failed', unit: 'leases', goals: { atMost: 0 }, count: true },
    { figure: 'grantCpuMs', unit: 'ms', goals: { exponent: 1.15 } },
    { figure: 'left', unit: 'leases', goals: { atMost: 0 }, count: true },
    { figure: 'closeCpuMs', unit: 'ms', goals: { exponent: 1.15 } },
  ],
  subjects: { ours },
};

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, size } = stage;
  const etcd = createClient({ endpoints: endpoint });
  await firstValueFrom(etcd.kv.get('first'));
  let failed = 0;
  const granted = (): Promise<void> =>
    new Promise((resolve) => {
      let open = size;
      const end = (): void => void (--open === 0 && resolve());
      for (let index = 0; index < size; index++) {
        etcd.lease({ ttl: 600 }).subscribe({
          next: ({ type }) => {
            if (type === 'granted') end();
          },
          error: () => {
            failed += 1;
            end();
          },
        });
      }
    });
  const grant = await costOf(stage, granted);
  const close = await costOf(stage, () => etcd.close({ timeoutMs: 120_000 }));
  const other = createClient({ endpoints: endpoint });
  const { leases } = await firstValueFrom(other.lease.leases());
  await other.close();
  return { failed, grantCpuMs: grant.clientCpuMs, left: leases.length, closeCpuMs: close.clientCpuMs };
}
