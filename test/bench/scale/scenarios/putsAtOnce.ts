import { catchError, lastValueFrom, map, mergeAll, of, range, reduce } from 'rxjs';
import { createClient } from '../../../../src/index.js';
import { keyOf, VALUE } from '../../fill.js';
import { closePeer, peerClient } from '../../peer.js';
import { costOf } from '../cost.js';
import type { ScaleScenario, ScaleStage } from '../scenario.js';

/** Puts that all begin in one turn, far more than there are connections. */
export const putsAtOnceScenario: ScaleScenario = {
  name: 'puts-at-once',
  of: 'puts',
  sizes: { full: [12_500, 25_000, 50_000], short: [2_500, 5_000, 10_000] },
  rows: [
    { figure: 'failed', unit: 'puts', goals: { atMost: 0 }, count: true },
    { figure: 'clientCpuMs', unit: 'ms', goals: { exponent: 1.15, toPeer: 1 } },
    { figure: 'serverCpuMs', unit: 'ms', goals: { exponent: 1.15 } },
    { figure: 'ms', unit: 'ms', goals: { toPeer: 1.1 } },
  ],
  subjects: { ours, peer },
};

async function ours(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, prefix, size } = stage;
  const etcd = createClient({ endpoints: endpoint });
  await lastValueFrom(etcd.kv.put(`${prefix}first`, VALUE));
  const puts = range(0, size).pipe(
    map((index) =>
      etcd.kv.put(keyOf(prefix, index), VALUE).pipe(
        map(() => 0),
        catchError(() => of(1)),
      ),
    ),
    mergeAll(),
    reduce((sum, failure) => sum + failure, 0),
  );
  const figures = await measured(stage, () => lastValueFrom(puts));
  await etcd.close();
  return figures;
}

async function peer(stage: ScaleStage): Promise<Record<string, number>> {
  const { endpoint, prefix, size } = stage;
  const etcd = peerClient(endpoint);
  await etcd.put(`${prefix}first`).value(VALUE);
  const put = (index: number): Promise<number> =>
    etcd
      .put(keyOf(prefix, index))
      .value(VALUE)
      .exec()
      .then(
        () => 0,
        () => 1,
      );
  const puts = async (): Promise<number> => {
    const failures = await Promise.all(Array.from({ length: size }, (_, index) => put(index)));
    return failures.reduce((sum, failure) => sum + failure, 0);
  };
  const figures = await measured(stage, puts);
  await closePeer(etcd);
  return figures;
}

async function measured(stage: ScaleStage, puts: () => Promise<number>): Promise<Record<string, number>> {
  let failed = 0;
  let ms = 0;
  const { clientCpuMs, serverCpuMs } = await costOf(stage, async () => {
    const begunAt = performance.now();
    failed = await puts();
    ms = performance.now() - begunAt;
  });
  return { failed, clientCpuMs, serverCpuMs, ms };
}
