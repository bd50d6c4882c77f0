import { firstValueFrom, type Subscription } from 'rxjs';
import { createClient } from '../../../../src/index.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** Subscribers of one watch, which all unsubscribe in one turn of the event loop. */
export const subscribersScenario: ScaleScenario = {
  name: 'subscribers',
  of: 'subscribers',
  sizes: { full: [50_000, 100_000, 200_000], short: [25_000, 50_000, 100_000] },
  rows: [
    { figure: 'leaveCpuMs', unit: 'ms', goals: { exponent: 1.1 } },
    { figure: 'leaveStallMs', unit: 'ms', goals: { atMost: 100 } },
  ],
  subjects: { ours },
};

/** As many unsubscribe once before, so that V8 has compiled the measured code. */
async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  await leaving(stage);
  return leaving(stage);
}

async function leaving(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, prefix, size } = stage;
  const etcd = createClient({ endpoints: endpoint });
  const kept = etcd.watch({ prefix }).subscribe();
  await firstValueFrom(etcd.watchBatches({ prefix }));
  const listen = (): void => undefined;
  const subscriptions: readonly Subscription[] = Array.from({ length: size }, () => etcd.watch({ prefix }).subscribe(listen));
  const { clientCpuMs, longestStallMs } = await costOf(stage, async () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  });
  kept.unsubscribe();
  await etcd.close();
  return { leaveCpuMs: clientCpuMs, leaveStallMs: longestStallMs };
}
