import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { filter } from 'rxjs';
import type { Namespace } from '../../../src/index.js';
import { PATIENT } from '../../support/patient.js';
import { History, Recorder, violations } from '../../support/watchGuarantees.js';
import { collect } from './support/collect.js';
import { TRANSPORTS, forLongMessages, has } from './support/transports.js';
import { fill } from './support/fill.js';
import { setScene, type Scene } from './support/scene.js';
import { waitFor } from '../../support/waitFor.js';

/** The number of values, of 256 bytes each: some 22 MB of JSON. */
const EVENTS = 50_000;
const BYTES = 20_000_000;
/** The number of those whose revision begins with a 1. */
const EVENTS_WITHIN = 11_100;

describe.each(TRANSPORTS)('a backlog of 50 000 events, over %s (TLS: %s),', (transport, tls) => {
  let scene: Scene;
  let history: History;

  beforeAll(async () => {
    scene = await setScene({ tls });
    // etcd sends up to a thousand revisions at once; here that is all of them. An old etcd cannot send more than 4 MiB, so
    // there it is a fifth at a time.
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

  test('arrives completely', async () => {
    const before = scene.proxy.down.bytes;
    await caughtUp(scene.client(streams()));
    expect(scene.proxy.down.bytes - before).toBeGreaterThan(BYTES);
  });

  test('arrives completely although it is cut in the middle', async () => {
    const client = scene.client(streams());
    scene.proxy.down.cutAfter(BYTES / 2);
    await caughtUp(client);
  });

  test('arrives completely although a message takes longer than the response timeout', async () => {
    const client = scene.client({ ...streams(), heartbeatMs: 1_000, responseTimeoutMs: 2_000 }, PATIENT);
    const losses = collect(client.connection$.pipe(filter(({ status }) => status === 'reconnecting')));
    // About a fifth of it arrives within some six seconds.
    scene.proxy.down.bytesPerSecond = 800_000;
    const watch = record(client, 'big/1');
    await waitFor('all has come', () => watch.events >= EVENTS_WITHIN || watch.end !== undefined);
    scene.proxy.down.bytesPerSecond = Infinity;
    watch.stop();
    expect(watch.end).toBeUndefined();
    expect(violations(history, watch)).toEqual([]);
    // An old server closes the WebSocket on each of these messages.
    if (has(scene.server, '3.4.16')) expect(losses.values).toEqual([]);
  });

  test('arrives in fragments if a message exceeds maxResponseBytes, or fails with ResponseTooLarge on servers without fragments', async () => {
    const client = scene.client(streams(), { ...PATIENT, maxResponseBytes: 4_000_000 });
    const states = collect(client.connection$);
    const watch = record(client);
    await waitFor('all has come, or it has ended', () => watch.events >= EVENTS || watch.end !== undefined);
    watch.stop();
    if (!has(scene.server, '3.4')) return expect(watch.end).toMatchObject({ error: { reason: 'ResponseTooLarge' } });
    expect(watch.end).toBeUndefined();
    expect(violations(history, watch)).toEqual([]);
    // The client reconnects once, and keeps the transport.
    const reported = states.values.flatMap((state) => {
      if (state.status === 'reconnecting') return [state.cause.reason];
      return state.status === 'connected' ? [state.transport] : [];
    });
    const [used] = reported;
    expect(reported).toEqual([used, 'ResponseTooLarge', used]);
  });
});
