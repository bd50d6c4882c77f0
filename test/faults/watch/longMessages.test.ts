import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import type { Client, ConnectionState, LiveUpdate, Range, WatchEvent } from '../../../src/index.js';
import { has } from './support/transports.js';
import { collect, type Collected } from './support/collect.js';
import { setScene, type Scene } from './support/scene.js';
import { PATIENT } from '../../support/patient.js';
import { waitFor } from '../../support/waitFor.js';

let scene: Scene;
let client: Client;
let states: Collected<ConnectionState>;

beforeAll(async () => {
  scene = await setScene();
});
afterEach(() => client.close());
afterAll(() => scene.close());

const makeClient = (): void => {
  client = scene.client({ transport: 'auto', heartbeatMs: 60_000, responseTimeoutMs: 10_000 }, PATIENT);
  states = collect(client.connection$);
};
const put = async (key: string, size = 1): Promise<number> =>
  (await firstValueFrom(scene.direct.kv.put(key, 'x'.repeat(size)))).header.revision;
/** Resolves when the watch is confirmed, which its first batch shows. */
const watching = async (range: Range): Promise<Collected<WatchEvent>> => {
  const events = collect(client.watch(range));
  await firstValueFrom(client.watchBatches(range));
  return events;
};
const keys = ({ values }: Collected<WatchEvent>): string[] => values.map(({ kv }) => kv.key);
/** Returns the transports that were in use, in order. */
const transports = (): string[] => {
  const all = states.values.flatMap((state) => (state.status === 'connected' ? [state.transport] : []));
  return all.filter((transport, index) => transport !== all[index - 1]);
};

describe('a message over 64 KiB', () => {
  test('from the server arrives, as do those before and after it, over another transport if necessary', async () => {
    makeClient();
    const [long, other] = [await watching({ prefix: 'long/' }), await watching({ prefix: 'other/' })];
    const written: string[] = [];
    for (const [key, size] of Object.entries({ 'long/before': 1, 'long/long': 100_000, 'other/beside': 1, 'long/after': 1 })) {
      await put(key, size);
      written.push(key);
    }
    await waitFor('all has come', () => long.values.length >= 3 && other.values.length >= 1);
    await put('other/late');
    await waitFor('the other goes on', () => other.values.length >= 2);
    expect([keys(long), keys(other)]).toEqual([
      ['long/before', 'long/long', 'long/after'],
      ['other/beside', 'other/late'],
    ]);
    expect(long.values[1]?.kv.value).toHaveLength(100_000);
    expect(transports()).toEqual(has(scene.server, '3.4.16') ? ['websocket'] : ['websocket', 'chunked']);
  });

  test('that no other transport may carry fails the watch with ResponseTooLarge, which names those that could', async () => {
    client = scene.client({ transport: 'websocket', heartbeatMs: 60_000, responseTimeoutMs: 10_000 }, PATIENT);
    const first = await put('only/0', 40_000);
    for (const key of ['only/1', 'only/2']) await put(key, 40_000);
    const { accepted } = scene.proxy;
    const replay = collect(client.watch({ prefix: 'only/' }, { startRevision: first }));
    await waitFor('it has come or ended', () => replay.values.length >= 3 || replay.error !== undefined);
    if (has(scene.server, '3.4.16')) return expect(keys(replay)).toEqual(['only/0', 'only/1', 'only/2']);
    expect(replay.error).toMatchObject({ reason: 'ResponseTooLarge', rpc: 'Watch.Watch', endpoint: scene.proxy.endpoint });
    expect(String(replay.error)).toContain('use streams.transport "chunked", "auto", or "http2" over TLS');
    // Five attempts in a row, each with a connection for the stream and one for the version request, and the first
    // connection of the client.
    expect(scene.proxy.accepted - accepted).toBeLessThanOrEqual(11);
    // Shorter messages are passed on.
    const short = await watching({ prefix: 'short/' });
    await put('short/a');
    await waitFor('it has come', () => short.values.length > 0);
  });

  test('reaches the server over each transport', async () => {
    makeClient();
    const long = await watching({ from: 'm'.repeat(100_000), to: 'n' });
    await put('mn');
    await waitFor('it has come', () => long.values.length >= 1);
    expect([keys(long), transports()]).toEqual([['mn'], ['websocket']]);
  });
});

describe('a backlog over 4 MiB that arrives as one response', () => {
  /** Returns a message that an old server cannot pass on. */
  const write = async (prefix: string): Promise<{ first: number; written: string[] }> => {
    const written = Array.from({ length: 5 }, (_, index) => `${prefix}${index}`);
    const revisions: number[] = [];
    for (const key of written) revisions.push(await put(key, 1_000_000));
    return { first: revisions[0] ?? 0, written };
  };

  test('is replayed, or fails only the watch that requested it with ResponseTooLarge', async () => {
    makeClient();
    const { first, written } = await write('replay/');
    const other = await watching({ prefix: 'beside/' });
    const replay = collect(client.watch({ prefix: 'replay/' }, { startRevision: first }));
    await put('beside/a');
    await waitFor('it has come or ended', () => replay.values.length >= written.length || replay.error !== undefined);
    await put('beside/b');
    await waitFor('the other goes on', () => other.values.length >= 2);
    expect(keys(other)).toEqual(['beside/a', 'beside/b']);
    expect(other.error).toBeUndefined();
    if (has(scene.server, '3.4.17')) expect(keys(replay)).toEqual(written);
    else expect(replay.error).toMatchObject({ reason: 'ResponseTooLarge', code: 'ResourceExhausted', rpc: 'Watch.Watch' });
  });

  test('does not end a live range: if it cannot be replayed, the range is listed again', async () => {
    makeClient();
    await put('live/gone');
    const live: Collected<LiveUpdate> = collect(client.live({ prefix: 'live/' }));
    await waitFor('it is there', () => live.values.length > 0 && transports().length > 0);
    await scene.proxy.refuse();
    await firstValueFrom(scene.direct.kv.delete('live/gone'));
    const { written } = await write('live/');
    await scene.proxy.accept();
    await waitFor('all is there', () => live.values.at(-1)?.state.size === written.length || live.error !== undefined);
    expect([...(live.values.at(-1)?.state.keys() ?? [])].sort()).toEqual(written);
    const changes = live.values.flatMap((update) => update.changes.map(({ type, kv }) => `${type} ${kv.key}`));
    expect(changes.sort()).toEqual(['delete live/gone', ...written.map((key) => `put ${key}`)]);
    const types = new Set(live.values.slice(1).map(({ type }) => type));
    expect([...types]).toEqual([has(scene.server, '3.4.17') ? 'change' : 'resync']);
    await put('live/next');
    await waitFor('it goes on', () => live.values.at(-1)?.changes[0]?.kv.key === 'live/next');
  });
});
