import { firstValueFrom, Subject, type Observable, type Subscription } from 'rxjs';
import { createClient } from '../../../src/index.js';
import { heapInUse } from '../heap.js';
import type { Figures, Scenario } from '../scenario.js';

const PREFIX = 'bench/subscribers/';
const SUBSCRIBERS = 10_000;

/** The memory of each further subscriber of a watch, beside that of a bare Subject. */
export const subscribersScenario: Scenario = {
  name: 'subscribers-10000',
  rows: [{ name: 'subscribers-10000', unit: 'bytes/subscriber', better: 'less' }],
  rounds: { full: 5, quick: 3, warmUp: 1 },
  prepare: async ({ server: { endpoint } }) => {
    const etcd = createClient({ endpoints: endpoint });
    // The range is watched throughout: the watch itself is not measured.
    const watching = etcd.watch({ prefix: PREFIX }).subscribe();
    await firstValueFrom(etcd.watchBatches({ prefix: PREFIX }));
    const subject = new Subject<unknown>();
    return {
      sides: { ours: async () => heapOf(() => etcd.watch({ prefix: PREFIX })), floor: async () => heapOf(() => subject) },
      end: () => {
        watching.unsubscribe();
        return etcd.close();
      },
    };
  },
};

function heapOf(source: () => Observable<unknown>): Figures {
  const listen = (): void => undefined;
  const subscriptions = new Array<Subscription>(SUBSCRIBERS);
  const before = heapInUse();
  for (let index = 0; index < SUBSCRIBERS; index++) subscriptions[index] = source().subscribe(listen);
  const bytes = heapInUse() - before;
  for (const subscription of subscriptions) subscription.unsubscribe();
  return { 'subscribers-10000': bytes / SUBSCRIBERS };
}
