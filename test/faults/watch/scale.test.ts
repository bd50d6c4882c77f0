import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import type { Client } from '../../../src/index.js';
import { collect, type Collected } from './support/collect.js';
import { fill } from './support/fill.js';
import { setScene, SOON_NOTICED, type Scene } from './support/scene.js';
import { watchersLeft, watchersOf } from './support/watchers.js';
import { PATIENT } from '../../support/patient.js';
import { waitFor } from '../../support/waitFor.js';

const WATCHES = 1_000;

describe.each([
  ['websocket', false, 10_000],
  ['http2', true, 2_000],
] as const)('over %s (TLS: %s)', (transport, tls, rounds) => {
  let scene: Scene;
  let client: Client;

  beforeAll(async () => {
    scene = await setScene({ tls, args: SOON_NOTICED });
  });
  afterEach(() => client.close());
  afterAll(() => scene.close());

  const makeClient = (): Client => scene.client({ transport, heartbeatMs: 60_000, responseTimeoutMs: 60_000, lingerMs: 20 }, PATIENT);
  const nextRevision = async (): Promise<number> => (await firstValueFrom(scene.direct.kv.range('none'))).header.revision + 1;

  test('1 000 watches share one connection, and each receives its own events', async () => {
    client = makeClient();
    const startRevision = await nextRevision();
    const watches = Array.from({ length: WATCHES }, (_, index) => collect(client.watch({ prefix: `many/${index}/` }, { startRevision })));
    await fill(scene.direct, { prefix: 'many/', revisions: WATCHES });
    await waitFor('each has seen its event', () => watches.every(({ values }) => values.length >= 1));
    expect(watches.map(({ values }) => values.map(({ kv }) => kv.key))).toEqual(watches.map((_, index) => [`many/${index}/0`]));
    // One more connection was opened before, to request the version.
    expect(scene.proxy.accepted).toBeLessThanOrEqual(2);
    await watchersOf(scene, { watchers: WATCHES, streams: 1 });
  });

  test('closed clients leave nothing behind, with many watches or with one', async () => {
    for (const count of [WATCHES, 1, WATCHES, 1, 20]) {
      const nothing = await watchersLeft(scene, { watchers: 0, streams: 0 });
      client = makeClient();
      const startRevision = await nextRevision();
      for (let index = 0; index < count; index++) collect(client.watch({ prefix: `closed/${index}/` }, { startRevision }));
      await watchersOf(scene, { streams: 1, watchers: nothing.watchers + count });
      await client.close();
      await waitFor('no socket is open', () => scene.proxy.open === 0);
      await watchersLeft(scene, nothing);
    }
  });

  test(`${rounds} rounds of subscribing and leaving leave nothing behind, on the server or here`, async () => {
    const before = await watchersLeft(scene, { watchers: 0, streams: 0 });
    const resources = activeResources();
    client = makeClient();
    const states = collect(client.connection$);
    const startRevision = await nextRevision();
    const watch = (name: string): Collected<unknown> => collect(client.watch({ prefix: `rounds/${name}/` }, { startRevision }));
    const kept = watch('kept');
    for (let round = 0; round < rounds; round++) {
      const left = round % 2 === 0 ? watch(String(round)) : collect(client.watch({ prefix: `rounds/${round % 7}/` }));
      // The watch is unsubscribed at once, or just before it is created, or after that.
      if (round % 5 === 1) await Promise.resolve();
      if (round % 50 === 2) await firstValueFrom(client.watchBatches({ prefix: 'rounds/made/' }, { startRevision }));
      left.stop();
    }
    await watchersLeft(scene, { watchers: before.watchers + 1, streams: before.streams + 1 });
    await fill(scene.direct, { prefix: 'rounds/kept/', revisions: 1 });
    await waitFor('the one that was kept is served', () => kept.values.length === 1);
    kept.stop();
    await watchersLeft(scene, before);
    await waitFor('nothing is watched', () => states.values.at(-1)?.status === 'idle');
    await client.close();
    await waitFor('no socket is open', () => scene.proxy.open === 0);
    await waitFor('no timer is left', () => activeResources() <= resources);
  });
});

/** Returns the number of sockets and timers of this process. */
function activeResources(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'TCPSocketWrap').length;
}
