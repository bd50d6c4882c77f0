import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exhaustMap, filter, firstValueFrom, interval } from 'rxjs';
import type { Client, ConnectionState } from '../../../src/index.js';
import { TRANSPORTS, has, type TransportOption } from './support/transports.js';
import { collect, type Collected } from './support/collect.js';
import { setScene, SOON_NOTICED, type Scene } from './support/scene.js';
import { PATIENT } from '../../support/patient.js';
import { waitFor } from '../../support/waitFor.js';

/**
 * The interval of heartbeats in milliseconds. A watch without events is renewed after 60 intervals, and one with
 * progress notifications after 10.
 */
const HEARTBEAT_MS = 30;
const RENEWALS_MS = 60 * HEARTBEAT_MS * 3;

const losses = (client: Client): Collected<ConnectionState> =>
  collect(client.connection$.pipe(filter(({ status }) => status === 'reconnecting')));

describe('a watch without events, over each transport,', () => {
  const scenes: { readonly transport: TransportOption; readonly scene: Scene }[] = [];

  beforeAll(async () => {
    for (const [transport, tls] of TRANSPORTS) scenes.push({ transport, scene: await setScene({ tls }) });
  });
  afterAll(() => Promise.all(scenes.map(({ scene }) => scene.close())));

  /** Runs all transports at the same time, as they mostly wait, and keeps the outcome of each. */
  async function overEach(come: (scene: Scene, transport: TransportOption) => Promise<object>, expected: object): Promise<void> {
    const came = await Promise.all(scenes.map(async ({ transport, scene }) => [transport, await come(scene, transport)]));
    expect(Object.fromEntries(came)).toEqual(Object.fromEntries(scenes.map(({ transport }) => [transport, expected])));
  }

  test('stays on its connection while nothing is written', () =>
    overEach(
      async (scene, transport) => {
        const idle = scene.client({ transport, heartbeatMs: HEARTBEAT_MS, responseTimeoutMs: 2_000 }, PATIENT);
        const watch = collect(idle.watch('idle'));
        const lost = losses(idle);
        await firstValueFrom(idle.watchBatches('idle'));
        const end = performance.now() + RENEWALS_MS / 2;
        await waitFor('a question, or a renewal, would have been lost', () => performance.now() > end);
        const before = lost.values.length;
        await firstValueFrom(scene.direct.kv.put('idle', 'y'));
        await waitFor('it reports what is written then', () => watch.values.length > 0 || watch.error !== undefined);
        watch.stop();
        return { before, lost: lost.values, error: watch.error };
      },
      { before: 0, lost: [], error: undefined },
    ));

  test('survives compactions as long as it is not cut', () =>
    overEach(
      async (scene, transport) => {
        const client = scene.client({ transport, heartbeatMs: HEARTBEAT_MS, responseTimeoutMs: 3_000 }, PATIENT);
        const watch = collect(client.watch('quiet'));
        const lost = losses(client);
        await firstValueFrom(client.watchBatches('quiet'));
        const compactions = collect(
          interval(300).pipe(
            exhaustMap(() => scene.direct.kv.put('other', 'x')),
            exhaustMap(({ header }) => scene.direct.kv.compact(header.revision)),
          ),
        );
        const end = performance.now() + RENEWALS_MS;
        await waitFor('it should have been renewed several times', () => performance.now() > end && compactions.values.length > 5);
        compactions.stop();
        const before = lost.values.length;
        await firstValueFrom(scene.direct.kv.put('quiet', 'y'));
        await waitFor('it goes on', () => watch.values.length > 0 || watch.error !== undefined);
        return { before, lost: lost.values, errors: [watch.error, compactions.error], values: watch.values.map(({ kv }) => kv.value) };
      },
      { before: 0, lost: [], errors: [undefined, undefined], values: ['y'] },
    ));
});

describe('a watch over chunked responses that requests bookmarks', () => {
  let scene: Scene;
  let client: Client;

  beforeAll(async () => {
    scene = await setScene({ args: SOON_NOTICED.map((flag) => flag.replace('500ms', '4s')) });
    client = scene.client({ transport: 'chunked', heartbeatMs: HEARTBEAT_MS, responseTimeoutMs: 3_000 }, PATIENT);
  });
  afterAll(() => scene.close());

  test('receives them if the server has any, and stays on its connection if only the server can send them', async () => {
    const batches = collect(client.watchBatches('quiet', { progressNotify: true }));
    await waitFor('it has begun', () => batches.values.length > 0);
    const { revision } = (await firstValueFrom(scene.direct.kv.put('other', 'x'))).header;
    if (!has(scene.server, '3.4')) {
      const { accepted } = scene.proxy;
      const end = performance.now() + RENEWALS_MS / 2;
      await waitFor('it might have been renewed', () => performance.now() > end);
      return expect([batches.error, scene.proxy.accepted]).toEqual([undefined, accepted]);
    }
    await waitFor('a bookmark came', () => batches.values.some((batch) => batch.type === 'progress' && batch.revision >= revision));
    expect([batches.error, losses(client).values]).toEqual([undefined, []]);
  });

  test('resumes from its bookmark after a cut, although earlier history is compacted', async () => {
    const batches = collect(client.watchBatches('away', { progressNotify: true }));
    await waitFor('it has begun', () => batches.values.length > 0);
    await firstValueFrom(scene.direct.kv.put('other', 'x'));
    const { revision } = (await firstValueFrom(scene.direct.kv.put('other', 'y'))).header;
    const isReported = (): boolean => batches.values.some((batch) => batch.revision >= revision);
    if (has(scene.server, '3.4')) await waitFor('a bookmark came', isReported);
    await firstValueFrom(scene.direct.kv.compact(revision));
    scene.proxy.cut();
    await firstValueFrom(scene.direct.kv.put('away', 'y'));
    await waitFor('it goes on, or ends', () => batches.error !== undefined || batches.values.some(({ type }) => type === 'events'));
    if (has(scene.server, '3.4')) expect(batches.error).toBeUndefined();
    else expect(batches.error).toMatchObject({ reason: 'Compacted' });
  });
});
