import { expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import type { Cache } from '../../src/index.js';
import { LinearizabilityChecker } from '../support/cache/linearizability.js';
import { PREFIX, readAtRandom, writeAtRandom } from '../support/cache/randomAccess.js';
import { askedSeed, randomFrom } from '../support/random.js';
import { waitFor } from '../support/waitFor.js';
import { setScene } from './watch/support/scene.js';

test('linearizable reads of a cache stay correct through cuts, an outage and a compaction, and local reads do not', async () => {
  const seed = askedSeed();
  const scene = await setScene();
  try {
    const random = randomFrom(seed);
    const [fresh, local] = [new LinearizabilityChecker(), new LinearizabilityChecker()];
    const both = [fresh, local];
    scene.direct.watchBatches({ prefix: PREFIX }, { startRevision: 1 }).subscribe({
      next: (batch) => both.forEach((checker) => checker.accept(batch)),
      error: (error: unknown) => process.stdout.write(`the history: ${String(error)}\n`),
    });
    const caches = (['websocket', 'chunked'] as const).map((transport) => {
      const client = scene.client({ transport }, { requestTimeoutMs: 5_000 });
      const holder: { cache?: Cache; error?: unknown } = {};
      client
        .cache({ prefix: PREFIX })
        .subscribe({ next: (cache) => (holder.cache = cache), error: (error: unknown) => (holder.error = error) });
      return holder;
    });
    await waitFor('the caches', () => caches.every(({ cache }) => cache !== undefined));
    let going = true;
    const mayGo = (): boolean => going;
    const writers = [1, 2].map((writer) => writeAtRandom(scene.direct, random.fork(`writer ${writer}`), both, mayGo));
    const readers = caches.flatMap((holder, index) =>
      [1, 2, 3, 4].map((reader) =>
        readAtRandom(
          () => holder.cache,
          random.fork(`reader ${index} ${reader}`),
          reader === 4 ? local : fresh,
          reader === 4 ? 'local' : 'linearizable',
          mayGo,
        ),
      ),
    );
    const broken: unknown[] = [];
    for (const player of [...writers, ...readers]) player.catch((error: unknown) => broken.push(error));
    const whole = (look: () => boolean) => (): boolean => {
      if (broken.length > 0) throw broken[0];
      return look();
    };
    const goOn = async (count: number): Promise<void> => {
      const due = fresh.count + count;
      await waitFor('more reads', whole(() => fresh.count >= due), 30_000); // prettier-ignore
    };
    await goOn(200);
    for (let cut = 0; cut < 3; cut++) {
      scene.proxy.cut();
      await goOn(100);
    }
    // The caches miss changes, which are then compacted.
    await scene.proxy.refuse();
    const missed = fresh.revision;
    await waitFor('changes that are missed', whole(() => fresh.revision > missed + 20), 30_000); // prettier-ignore
    await firstValueFrom(scene.direct.kv.compact(fresh.revision));
    const staleReads = local.count + 50;
    await waitFor('local reads meanwhile', whole(() => local.count >= staleReads), 30_000); // prettier-ignore
    await scene.proxy.accept();
    await goOn(200);
    going = false;
    await Promise.all([...writers, ...readers]);
    const end = await firstValueFrom(scene.direct.kv.put(`${PREFIX}end`, ''));
    await waitFor('the end of the history', () => fresh.revision >= end.header.revision);
    process.stdout.write(
      `${fresh.count} linearizable reads, ${local.count} local ones, ${local.faults().length} of them stale, SEED=${seed}\n`,
    );
    expect(fresh.faults()).toEqual([]);
    expect(local.faults().length).toBeGreaterThan(0);
    expect(caches.map(({ error }) => error)).toEqual([undefined, undefined]);
    // The history was lost, so the cache no longer has the events before it.
    for (const { cache } of caches) expect(cache?.oldestRevision).toBeGreaterThan(missed);
  } finally {
    await scene.close();
  }
});
