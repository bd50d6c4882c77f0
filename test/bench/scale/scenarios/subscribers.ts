import { firstValueFrom, type Subscription } from 'rxjs';
import { createClient } from '../../../../src/index.js';
import { median } from '../../stats.js';
import { type Cost, costOf } from '../cost.js';
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

/** The number of measured turns. */
const TURNS = 3;

/** Measures several turns: the median of the CPU time, and the longest stall. Before, V8 compiles the code in one turn. */
async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  await leaving(stage);
  const costs: Cost[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) costs.push(await leaving(stage));
  return {
    leaveCpuMs: median(costs.map(({ clientCpuMs }) => clientCpuMs)),
    leaveStallMs: Math.max(...costs.map(({ longestStallMs }) => longestStallMs)),
  };
}

async function leaving(stage: ScaleStage): Promise<Cost> {
  const { endpoint, prefix, size } = stage;
  const etcd = createClient({ endpoints: endpoint });
  const kept = etcd.watch({ prefix }).subscribe();
  await firstValueFrom(etcd.watchBatches({ prefix }));
  const listen = (): void => undefined;
  const subscriptions: readonly Subscription[] = Array.from({ length: size }, () => etcd.watch({ prefix }).subscribe(listen));
  const cost = await costOf(stage, async () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  });
  kept.unsubscribe();
  await etcd.close();
  return cost;
}
