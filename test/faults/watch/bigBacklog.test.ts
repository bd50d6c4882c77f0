import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Watches } from '../../../src/index.js';
import { History, Recorder, violations } from '../../support/watchGuarantees.js';
import { CARRIERS, forLongMessages, has } from './support/carriers.js';
import { fill } from './support/fill.js';
import { setScene, type Scene } from './support/scene.js';
import { unfragmentedWatches } from './support/unfragmented.js';
import { until } from '../../support/waitFor.js';

/** Of 256 B: some 22 MB of JSON. */
const EVENTS = 50_000;
const BYTES = 20_000_000;

describe.each(CARRIERS)('a backlog of 50 000 events, over %s (TLS: %s),', (carrier, tls) => {
  let scene: Scene;
  let history: History;

  beforeAll(async () => {
    scene = await setScene({ tls });
    // etcd sends up to a thousand revisions at once: here all of them. An old one cannot send more than 4 MiB: there it is a fifth at a time.
    const revisions = has(scene.server, '3.4.17') ? 500 : 5_000;
    history = new History(await fill(scene.direct, { prefix: 'big/', revisions, keys: EVENTS / revisions, size: 256 }));
  });
  afterAll(() => scene.close());

  const streams = () => ({ carrier: forLongMessages(carrier, scene.server), heartbeatMs: 10_000, answerTimeoutMs: 5_000 });

  const caughtUp = async (client: Watches): Promise<void> => {
    const options = { startRevision: history.revisions[0] ?? 1 };
    const watch = new Recorder('backlog', { prefix: 'big/' }, options, client.watchBatches({ prefix: 'big/' }, options));
    watch.through = history.last;
    await until('all has come', () => watch.events >= EVENTS || watch.end !== undefined);
    expect(watch.end).toBeUndefined();
    expect(violations(history, watch)).toEqual([]);
    watch.stop();
  };

  test('is caught up', async () => {
    const before = scene.proxy.down.bytes;
    await caughtUp(scene.client(streams()));
    expect(scene.proxy.down.bytes - before).toBeGreaterThan(BYTES);
  });

  test('is caught up though it is cut in the middle', async () => {
    const client = scene.client(streams());
    scene.proxy.down.cutAfter(BYTES / 2);
    await caughtUp(client);
  });

  test('is caught up in messages as long as they come, where the server does not split them', async () => {
    const client = unfragmentedWatches(scene.options(streams()));
    await caughtUp(client);
    await client.close();
  });
});
