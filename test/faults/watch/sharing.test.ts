import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, tap } from 'rxjs';
import type { Client } from '../../../src/index.js';
import { collect } from './support/collect.js';
import { setScene, SOON_NOTICED, type Scene } from './support/scene.js';
import { watchersLeft, watchersOf } from './support/watchers.js';
import { PATIENT } from '../../support/patient.js';
import { waitFor } from '../../support/waitFor.js';

let scene: Scene;
let client: Client;
let runs = 0;
let range = '';

beforeAll(async () => {
  scene = await setScene({ args: SOON_NOTICED });
});
beforeEach(() => {
  client = makeClient();
  range = `run-${++runs}/`;
});
afterEach(() => client.close());
afterAll(() => scene.close());

/** Creates a client whose connection carries only the watch: no heartbeat is sent during a test. */
const makeClient = (lingerMs = 1_000): Client => scene.client({ heartbeatMs: 60_000, responseTimeoutMs: 10_000, lingerMs }, PATIENT);
/**
 * Returns the server's counts with a watch and without one. The watch of the last test must have ended, which takes a
 * moment. 3.3 sometimes counts the end of a watch twice, so its count may be below 0.
 */
const counts = async () => {
  const { watchers } = await watchersOf(scene, { streams: 0 });
  return { none: { watchers, streams: 0 }, one: { watchers: watchers + 1 } };
};
const put = (name: string): Promise<unknown> => firstValueFrom(scene.direct.kv.put(`${range}${name}`, 'x'));
/** Resolves when the watch is confirmed, which its first batch shows. */
const there = async (): Promise<void> => void (await firstValueFrom(client.watchBatches({ prefix: range })));

describe('subscribers of one watch', () => {
  test('late subscribers receive later events, and batches begin with the revision of the watch', async () => {
    const early = collect(client.watchBatches({ prefix: range }));
    await there();
    await put('a');
    await waitFor('the first sees it', () => early.values.length === 2);
    const late = collect(client.watchBatches({ prefix: range }));
    const lateEvents = collect(client.watch({ prefix: range }));
    await put('b');
    await waitFor('all see it', () => early.values.length === 3 && late.values.length === 2 && lateEvents.values.length === 1);
    expect(late.values).toEqual([{ type: 'progress', revision: early.values[1]?.revision, events: [] }, early.values[2]]);
    expect(lateEvents.values.map(({ kv }) => kv.key)).toEqual([`${range}b`]);
  });

  test('a slow subscriber delays the others, but they miss nothing', async () => {
    let late = 0;
    const slow = client.watch({ prefix: range }).pipe(
      tap(() => {
        const end = performance.now() + 3;
        while (performance.now() < end) late += 1;
      }),
    );
    collect(slow);
    const other = collect(client.watch({ prefix: range }));
    await there();
    const written = Array.from({ length: 100 }, (_, index) => `${range}${index}`);
    await Promise.all(written.map((_, index) => put(String(index))));
    await waitFor('the other sees all', () => other.values.length >= written.length);
    expect(late).toBeGreaterThan(0);
    expect(other.values.map(({ kv }) => kv.key).sort()).toEqual(written.sort());
    const revisions = other.values.map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
  });

  test('ten thousand subscribers share one watch on the server, and each receives every event', async () => {
    const { one } = await counts();
    const seen = Array.from({ length: 10_000 }, () => collect(client.watch({ prefix: range })));
    await there();
    expect(await watchersOf(scene)).toMatchObject(one);
    for (const name of ['a', 'b']) await put(name);
    await waitFor('all have seen both', () => seen.every(({ values }) => values.length >= 2));
    const keys = new Set(seen.map(({ values }) => values.map(({ kv }) => kv.key).join()));
    expect([...keys]).toEqual([`${range}a,${range}b`]);
  });
});

describe('a watch whose last subscriber has left', () => {
  test('is shared by a subscriber that returns within lingerMs, without a request to the server', async () => {
    client = makeClient(60_000);
    const { one } = await counts();
    const first = collect(client.watchBatches({ prefix: range }));
    await waitFor('it is there', () => first.values.length > 0);
    await watchersOf(scene, one);
    const before = scene.proxy.up.bytes;
    first.stop();
    await put('while nobody looked');
    const again = collect(client.watchBatches({ prefix: range }));
    await put('seen');
    await waitFor('the event comes', () => again.values.some(({ events }) => events.some(({ kv }) => kv.key === `${range}seen`)));
    expect(scene.proxy.up.bytes).toBe(before);
    expect(await watchersOf(scene)).toMatchObject(one);
  });

  test('ends after lingerMs without a subscriber, in the client and on the server', async () => {
    client = makeClient(20);
    const { none, one } = await counts();
    const watch = collect(client.watchBatches({ prefix: range }));
    await waitFor('it is there', () => watch.values.length > 0);
    expect(await watchersOf(scene)).toMatchObject(one);
    watch.stop();
    const states = collect(client.connection$);
    await waitFor('nothing is watched', () => states.values.at(-1)?.status === 'idle');
    await watchersLeft(scene, none);
  });
});

test('closing the client completes every watch and the state, also for later subscribers', async () => {
  const watches = [
    collect(client.watch({ prefix: range })),
    collect(client.watchBatches({ prefix: range })),
    collect(client.watch({ prefix: range }, { startRevision: 1 })),
    collect(client.live({ prefix: range })),
    collect(client.liveState({ prefix: range })),
    collect(client.connection$),
  ];
  const once = collect(client.watchOnce({ prefix: range }));
  await there();
  await client.close();
  // Without it the Observable, which has one event, cannot complete.
  expect(once.error).toMatchObject({ reason: 'ClientClosed' });
  const late = [collect(client.watch({ prefix: range })), collect(client.connection$)];
  expect([...watches, ...late].map(({ completed, error }) => [completed, error])).toEqual(
    Array.from({ length: 8 }, () => [true, undefined]),
  );
  expect(late.map(({ values }) => values)).toEqual([[], [{ status: 'closed' }]]);
});
