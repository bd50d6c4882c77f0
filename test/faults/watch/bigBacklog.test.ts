import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { filter } from 'rxjs';
import type { Namespace } from '../../../src/index.js';
import { History, Recorder, violations } from '../../support/watchGuarantees.js';
import { collect } from './support/collect.js';
import { TRANSPORTS, forLongMessages, has } from './support/transports.js';
import { fill } from './support/fill.js';
import { setScene, type Scene } from './support/scene.js';
import { waitFor } from '../../support/waitFor.js';

/** Of 256 B: some 22 MB of JSON. */
const EVENTS = 50_000;
const BYTES = 20_000_000;
/** Of those, so many are of the revisions whose number begins with a 1. */
const EVENTS_WITHIN = 11_100;

describe.each(TRANSPORTS)('a backlog of 50 000 events, over %s (TLS: %s),', (transport, tls) => {
  let scene: Scene;
  let history: History;

  beforeAll(async () => {
    scene = await setScene({ tls });
    // etcd sends up to a thousand revisions at once: here all of them. An old one cannot send more than 4 MiB: there it is a fifth at a time.
    const revisions = has(scene.server, '3.4.17') ? 500 : 5_000;
    history = new History(await fill(scene.direct, { prefix: 'big/', revisions, keys: EVENTS / revisions, size: 256 }));
  });
  afterAll(() => scene.close());

  const streams = () => ({ transport: forLongMessages(transport, scene.server), heartbeatMs: 10_000, responseTimeoutMs: 5_000 });

  const record = (client: Namespace, prefix = 'big/'): Recorder => {
    const options = { startRevision: history.revisions[0] ?? 1 };
    const watch = new Recorder('backlog', { prefix }, options, client.watchBatches({ prefix }, options));
    watch.through = history.last;
    return watch;
  };
  const caughtUp = async (client: Namespace): Promise<void> => {
    const watch = record(client);
    await waitFor('all has come', () => watch.events >= EVENTS || watch.end !== undefined);
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

  test('is caught up though a message takes longer than an answer may take', async () => {
    const client = scene.client({ ...streams(), heartbeatMs: 1_000, responseTimeoutMs: 2_000 });
    const losses = collect(client.connection$.pipe(filter(({ status }) => status === 'reconnecting')));
    // A fifth of it or so, in some six seconds.
    scene.proxy.down.bytesPerSecond = 800_000;
    const watch = record(client, 'big/1');
    await waitFor('all has come', () => watch.events >= EVENTS_WITHIN || watch.end !== undefined);
    scene.proxy.down.bytesPerSecond = Infinity;
    watch.stop();
    expect(watch.end).toBeUndefined();
    expect(violations(history, watch)).toEqual([]);
    // An old server closes a WebSocket on each of them.
    if (has(scene.server, '3.4.16')) expect(losses.values).toEqual([]);
  });

  test('comes in fragments where a message is longer than maxResponseBytes, or ends in ResponseTooLarge where the server has none', async () => {
    const client = scene.client(streams(), { maxResponseBytes: 4_000_000 });
    const states = collect(client.connection$);
    const watch = record(client);
    await waitFor('all has come, or it has ended', () => watch.events >= EVENTS || watch.end !== undefined);
    watch.stop();
    if (!has(scene.server, '3.4')) return expect(watch.end).toMatchObject({ error: { reason: 'ResponseTooLarge' } });
    expect(watch.end).toBeUndefined();
    expect(violations(history, watch)).toEqual([]);
    // Once, and the transport stays.
    const told = states.values.flatMap((state) => {
      if (state.status === 'reconnecting') return [state.cause.reason];
      return state.status === 'connected' ? [state.transport] : [];
    });
    const [used] = told;
    expect(told).toEqual([used, 'ResponseTooLarge', used]);
  });
});
