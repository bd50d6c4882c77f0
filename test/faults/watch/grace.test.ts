import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom, type Subscription, take, timer } from 'rxjs';
import { watchRpcs } from '../../../src/codec/watch.js';
import type { Client } from '../../../src/index.js';
import { settingsOf } from '../../../src/options/clientOptions.js';
import { jsonWire } from '../../../src/transport/json/jsonWire.js';
import { messagesOf } from '../../../src/transport/json/streamMessages.js';
import { createCaller } from '../../../src/transport/caller.js';
import { TlsSource } from '../../../src/node/certificates.js';
import { undiciTransport } from '../../../src/node/undiciTransport.js';
import { setScene, SOON_NOTICED, type Scene } from './support/scene.js';
import { collect } from './support/collect.js';
import { watchersLeft } from './support/watchers.js';
import { PATIENT } from '../../support/patient.js';
import { waitFor } from '../../support/waitFor.js';

const version = process.env['ETCD_VERSION'] ?? '3.5';
const isOld = version.startsWith('3.3') || version.startsWith('3.4');
let scene: Scene;
let client: Client;

beforeAll(async () => {
  scene = await setScene({ args: SOON_NOTICED });
});
afterEach(() => client.close());
afterAll(() => scene.close());

/** Returns how many watch streams were opened, and how many messages arrived on them. */
async function watchCounts(): Promise<{ readonly streams: number; readonly messages: number }> {
  const families = await firstValueFrom(scene.direct.metrics());
  const valueOf = (name: string): number =>
    families.find((family) => family.name === name)?.samples.find(({ labels }) => labels['grpc_method'] === 'Watch')?.value ?? 0;
  return { streams: valueOf('grpc_server_started_total'), messages: valueOf('grpc_server_msg_received_total') };
}

const watchedOnce = (startRevision: number): Promise<unknown> =>
  firstValueFrom(client.watchBatches({ prefix: 'grace/' }, { startRevision }));

test('consecutive watches within lingerMs share one stream, which carries only their create and cancel requests', async () => {
  client = scene.client({ transport: 'websocket', heartbeatMs: 60_000, responseTimeoutMs: 10_000, lingerMs: 5_000 }, PATIENT);
  const before = await watchCounts();
  const { header } = await firstValueFrom(client.kv.range('none'));
  const ROUNDS = 20;
  for (let round = 0; round < ROUNDS; round++) await watchedOnce(header.revision + 1);
  const { streams, messages } = await watchCounts();
  expect(streams - before.streams).toBe(1);
  expect(messages - before.messages).toBeLessThanOrEqual(2 * ROUNDS);
});

test('a lock that is awaited again at once keeps its stream', async () => {
  client = scene.client({ transport: 'websocket', heartbeatMs: 60_000, responseTimeoutMs: 10_000, lingerMs: 5_000 }, PATIENT);
  const before = await watchCounts();
  const ROUNDS = 10;
  for (let round = 0; round < ROUNDS; round++) await firstValueFrom(client.lock('grace/lock').pipe(take(1)));
  const { streams, messages } = await watchCounts();
  expect(streams - before.streams).toBeLessThanOrEqual(1);
  expect(messages - before.messages).toBeLessThanOrEqual(4 * ROUNDS);
});

test('after lingerMs the stream is closed, and the server keeps nothing; connection$ reports neither', async () => {
  const nothing = await watchersLeft(scene, { watchers: 0, streams: 0 });
  client = scene.client({ transport: 'websocket', heartbeatMs: 20, responseTimeoutMs: 10_000, lingerMs: 300 }, PATIENT);
  const states = collect(client.connection$);
  const before = await watchCounts();
  const { header } = await firstValueFrom(client.kv.range('none'));
  const watching = collect(client.watchBatches({ prefix: 'grace/' }, { startRevision: header.revision + 1 }));
  await waitFor('it is connected', () => states.values.at(-1)?.status === 'connected');
  watching.stop();
  await watchersLeft(scene, nothing);
  expect(states.values.map(({ status }) => status)).toEqual(['idle', 'connecting', 'connected', 'idle']);
  const { messages } = await watchCounts();
  // Older servers detect the end themselves; from the others we may have requested responses that were never read.
  if (isOld) expect(messages - before.messages).toBeLessThanOrEqual(4);
});

test('a client that is closed within lingerMs does not wait for its end', async () => {
  client = scene.client({ transport: 'websocket', lingerMs: 3_600_000 });
  const { header } = await firstValueFrom(client.kv.range('none'));
  await watchedOnce(header.revision + 1);
  await client.close();
  await waitFor('no socket is open', () => scene.proxy.open === 0);
  await watchersLeft(scene, { watchers: 0, streams: 0 });
});

describe('a stream that is left during its handshake is not kept by the server:', () => {
  const ROUNDS = 40;
  /** The longest time until a round leaves its stream, in milliseconds. The handshake takes less. */
  const LONGEST_MS = 8;

  async function leavesNothing(leave: (watching: Subscription) => unknown): Promise<void> {
    const before = await watchersLeft(scene, { watchers: 0, streams: 0 });
    for (let round = 0; round < ROUNDS; round++) {
      client = scene.client({ transport: 'websocket', heartbeatMs: 60_000, responseTimeoutMs: 10_000, lingerMs: 1 }, PATIENT);
      const { header } = await firstValueFrom(client.kv.range('none'));
      const watching = client.watchBatches({ prefix: 'grace/' }, { startRevision: header.revision + 1 }).subscribe();
      await firstValueFrom(timer(round % LONGEST_MS));
      await leave(watching);
    }
    await watchersLeft(scene, before);
  }

  test('the client is closed', () => leavesNothing(() => client.close()));

  test('its only watch is unsubscribed from, and the client is closed later', async () => {
    const clients: Client[] = [];
    await leavesNothing((watching) => {
      watching.unsubscribe();
      clients.push(client);
    });
    await Promise.all(clients.map((each) => each.close()));
  });
});

test('the rejection of a GET identifies the generation of the gateway', async () => {
  client = scene.client();
  const settings = settingsOf({ endpoints: scene.server.endpoint });
  const caller = createCaller(jsonWire(undiciTransport({ ...settings, tls: new TlsSource(settings.tls) }), settings, messagesOf), settings);
  const { gateway } = await firstValueFrom(caller.channel(watchRpcs.watch));
  const generation = gateway === undefined ? undefined : await firstValueFrom(gateway);
  await caller.close();
  expect(generation).toBe(isOld ? 1 : 2);
});
