import { setTimeout as delay } from 'node:timers/promises';
import type { Subscription } from 'rxjs';
import { createClient } from '../../../../src/index.js';
import { keyOf } from '../../fill.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';
import { inTurns } from '../turns.js';

const GRACE_MS = 100;

/** Watches of different keys on one client: until the server has confirmed the last, and until all are unsubscribed. */
export const watchesScenario: ScaleScenario = {
  name: 'watches',
  of: 'watches',
  sizes: { full: [50_000, 100_000, 200_000], short: [5_000, 10_000, 20_000] },
  rows: [
    { figure: 'setUpCpuMs', unit: 'ms', goals: { exponent: 1.1 } },
    { figure: 'setUpStallMs', unit: 'ms', goals: { atMost: 100 } },
    { figure: 'leaveCpuMs', unit: 'ms', goals: { exponent: 1.1 } },
    { figure: 'leaveStallMs', unit: 'ms', goals: { atMost: 100 } },
  ],
  subjects: { ours },
};

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, prefix, size } = stage;
  const etcd = createClient({ endpoints: endpoint, streams: { lingerMs: GRACE_MS } });
  const watching = new Array<Subscription>(size);
  const setUp = await costOf(stage, async () => {
    let confirmed = 0;
    let finish: () => void;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    // The first batch of a watch shows that the server has confirmed it, without a write.
    const onBatch = (): void => {
      confirmed += 1;
      if (confirmed === size) finish();
    };
    await inTurns(size, (index) => (watching[index] = etcd.watchBatches({ key: keyOf(prefix, index) }).subscribe(onBatch)));
    await finished;
  });
  const leave = await costOf(stage, async () => {
    await inTurns(size, (index) => watching[index]?.unsubscribe());
    await delay(GRACE_MS * 3);
  });
  await etcd.close();
  return {
    setUpCpuMs: setUp.clientCpuMs,
    setUpStallMs: setUp.longestStallMs,
    leaveCpuMs: leave.clientCpuMs,
    leaveStallMs: leave.longestStallMs,
  };
}
