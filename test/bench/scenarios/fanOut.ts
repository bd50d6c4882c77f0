import { firstValueFrom, lastValueFrom, mergeMap, range, Subject, Subscription } from 'rxjs';
import { createClient, put, type Client } from '../../../src/index.js';
import { bareWatch, createRequest } from '../bareStream.js';
import { keyOf, VALUE } from '../fill.js';
import { closePeer, peerClient } from '../peer.js';
import type { Figures, Scenario } from '../scenario.js';

const PREFIX = 'bench/fan-out/';
const SUBSCRIBERS = 1_000;
const TXNS = 16;
const OPS = 100;
const DELIVERIES = TXNS * OPS * SUBSCRIBERS;

/**
 * One watch with a thousand subscribers: from the first write to the last delivery, including the writes and the
 * parsing of the events.
 */
export const fanOutScenario: Scenario = {
  name: 'fan-out-1000',
  rows: [{ name: 'fan-out-1000', unit: 'deliveries/s', better: 'more', target: { ours: 1e6 } }],
  rounds: { full: 15, quick: 5, warmUp: 2 },
  prepare: async ({ server: { endpoint } }) => {
    const etcd = createClient({ endpoints: endpoint });
    const counter = new Counter();

    // Each side is subscribed only during its turn; otherwise it would also work in the other's.
    const ours = async (): Promise<Figures> => {
      const listening = new Subscription();
      for (let index = 0; index < SUBSCRIBERS; index++) listening.add(etcd.watch({ prefix: PREFIX }).subscribe(counter.count));
      await firstValueFrom(etcd.watchBatches({ prefix: PREFIX }));
      const figures = await counter.time(() => write(etcd));
      listening.unsubscribe();
      return figures;
    };

    const peer = async (): Promise<Figures> => {
      const client = peerClient(endpoint);
      const watcher = await client.watch().prefix(PREFIX).create();
      watcher.setMaxListeners(SUBSCRIBERS);
      for (let index = 0; index < SUBSCRIBERS; index++) watcher.on('put', counter.count);
      const figures = await counter.time(() => write(etcd));
      await closePeer(client, [watcher]);
      return figures;
    };

    const floor = async (): Promise<Figures> => {
      const events = new Subject<unknown>();
      const listening = new Subscription();
      for (let index = 0; index < SUBSCRIBERS; index++) listening.add(events.subscribe(counter.count));
      let onCreated: () => void;
      const created = new Promise<void>((resolve) => (onCreated = resolve));
      const watch = await bareWatch(endpoint, ({ result }) => {
        if (result.created === true) onCreated();
        for (const event of result.events ?? []) events.next(event);
      });
      watch.send(createRequest(PREFIX));
      await created;
      const figures = await counter.time(() => write(etcd));
      watch.close();
      listening.unsubscribe();
      return figures;
    };

    return { sides: { ours, peer, floor }, end: () => etcd.close() };
  },
};

class Counter {
  private left = 0;
  private finish: () => void = () => undefined;

  readonly count = (): void => {
    this.left -= 1;
    if (this.left === 0) this.finish();
  };

  async time(start: () => Promise<unknown>): Promise<Figures> {
    this.left = DELIVERIES;
    const finished = new Promise<void>((resolve) => (this.finish = resolve));
    const from = performance.now();
    await Promise.all([start(), finished]);
    return { 'fan-out-1000': (DELIVERIES / (performance.now() - from)) * 1000 };
  }
}

function write(etcd: Client): Promise<unknown> {
  const txn = (index: number) =>
    etcd.kv.txn({ success: Array.from({ length: OPS }, (_, op) => put(keyOf(PREFIX, index * OPS + op), VALUE)) });
  return lastValueFrom(range(0, TXNS).pipe(mergeMap(txn, 4)));
}
