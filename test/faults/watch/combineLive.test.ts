import { expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { combinedSums, latestSums } from '../../support/composed/sums.js';
import { RANGES, SUM, Transfers } from '../../support/composed/transfers.js';
import { WholeChecker } from '../../support/composed/wholeChecker.js';
import { contents } from '../../integration/support/watching.js';
import { askedSeed, randomFrom } from '../../support/random.js';
import { waitFor } from '../../support/waitFor.js';
import { TRANSPORTS, forLongMessages, has, type TransportOption } from './support/transports.js';
import { strike, type Fault } from './support/faults.js';
import { setScene, type Scene } from './support/scene.js';

/** The faults on each transport, once each. Older servers are left out, as their watches behave the same. */
const faultsFor = ({ server }: Scene): readonly Fault[] => [
  { kind: 'cut', lane: 'down', afterBytes: 3_000 },
  { kind: 'cut', lane: 'up', afterBytes: 700 },
  ...(has(server, '3.5') ? [{ kind: 'kill' } as const] : []),
  { kind: 'compact' },
  { kind: 'cut', lane: 'down', afterBytes: 20_000 },
];

/** Runs writers, faults and watchers on a transport. Returns the checkers of `combineLive` and of `combineLatest`. */
async function run(scene: Scene, transport: TransportOption, seed: number) {
  const random = randomFrom(seed);
  const client = scene.client({ transport: forLongMessages(transport, scene.server) });
  const [whole, torn] = [new WholeChecker(SUM), new WholeChecker(SUM)];
  const transfers = [1, 2, 3].map((writer) => new Transfers(scene.direct, random.fork(`writer ${writer}`)));
  const last = new Transfers(scene.direct, random.fork('last'));
  transfers.push(last);
  for (const writer of transfers) await lastValueFrom(writer.rewrite());
  let losses = 0;
  client.connection$.subscribe(({ status }) => (losses += status === 'reconnecting' ? 1 : 0));
  const combined = combinedSums(client).subscribe({ next: (state) => whole.accept(state), error: (error) => whole.fail(error) });
  const latest = latestSums(client).subscribe({ next: (state) => torn.accept(state), error: (error) => torn.fail(error) });
  await waitFor('both have begun', () => whole.count > 0 && torn.count > 0);

  let writing = true;
  const written = Promise.all(transfers.map((writer) => lastValueFrom(writer.run(() => writing))));
  const newest = (): number => Math.max(...transfers.flatMap(({ revisions }) => [...revisions]));
  const witness = {
    losses: () => losses,
    ask: () => undefined,
    overtake: async () => {
      // The connections are closed: the client cannot have received a later revision.
      const { header } = await firstValueFrom(scene.direct.kv.range(RANGES.one));
      await waitFor('something is missed', () => newest() > header.revision + 20);
      await firstValueFrom(scene.direct.kv.compact(newest()));
    },
  };
  for (const fault of faultsFor(scene)) {
    await strike(fault, scene, witness);
    const due = newest();
    await waitFor('the states go on', () => (whole.last?.revision ?? 0) > due);
  }
  // If each range is followed alone, the same check finds errors for every seed.
  await waitFor('combineLatest is torn', () => torn.torn > 0);
  writing = false;
  await written;
  await lastValueFrom(last.rewrite());
  await waitFor('the last state has come', () => (whole.last?.revision ?? 0) >= newest());
  const { value } = await firstValueFrom(client.combineLive(RANGES));
  const stored = await Promise.all(Object.values(RANGES).map((range) => firstValueFrom(scene.direct.kv.range(range))));
  combined.unsubscribe();
  latest.unsubscribe();
  return {
    whole,
    torn,
    written: transfers.flatMap(({ revisions }) => [...revisions]),
    final: [...value.first.values(), ...(value.one === undefined ? [] : [value.one]), ...value.last.values()],
    stored: stored.flatMap(({ kvs }) => kvs),
  };
}

test('combineLive combines three ranges through cuts, restarts and compactions without mixing revisions, unlike combineLatest', async () => {
  const seed = askedSeed();
  const onTransport = async ([transport, tls]: (typeof TRANSPORTS)[number]) => {
    const scene = await setScene({ tls });
    try {
      const { whole, torn, written, final, stored } = await run(scene, transport, seed);
      const line = `etcd ${scene.server.version}, ${transport}: ${whole.count} states, ${whole.resyncs} lists, combineLatest ${torn.torn} torn of ${torn.count}`;
      process.stdout.write(`${line}, SEED=${seed}\n`);
      expect({ transport, faults: whole.faults(written) }).toEqual({ transport, faults: [] });
      expect(contents(final)).toEqual(contents(stored));
      expect(torn.torn).toBeGreaterThan(0);
      // The history that the client missed was compacted, so the client has to list the range again.
      expect(whole.resyncs).toBeGreaterThan(0);
    } finally {
      await scene.close();
    }
  };
  const outcomes = await Promise.allSettled(TRANSPORTS.map(onTransport));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
});
