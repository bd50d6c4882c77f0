import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { filter, firstValueFrom, take } from 'rxjs';
import { del, put, type Client } from '../../../src/index.js';
import { collect } from './support/collect.js';
import { setScene, type Scene } from './support/scene.js';
import { waitFor } from '../../support/waitFor.js';

/**
 * Before etcd 3.5.16 a compaction removes the deletes of exactly its revision. A watch from that revision on then gets
 * the rest without an error.
 */
describe.each(['websocket', 'chunked'] as const)('over %s, when the history is compacted during an outage,', (transport) => {
  let scene: Scene;
  let client: Client;

  beforeAll(async () => void (scene = await setScene()));
  beforeEach(() => void (client = scene.client({ transport })));
  afterEach(() => client.close());
  afterAll(() => scene.close());

  test('at the next revision, a watch reports the deletes of that revision or fails, and a live range no longer has their keys', async () => {
    const { kv } = scene.direct;
    const keys = { prefix: 'a/' };
    for (const key of ['a/kept', 'a/deleted']) await firstValueFrom(kv.put(key, 'x'));
    const watch = collect(client.watch(keys));
    const live = collect(client.live(keys));
    await waitFor('it is live', () => live.values.length === 1);
    await firstValueFrom(client.watchBatches(keys));
    await firstValueFrom(kv.put('a/kept', 'y'));
    await waitFor('both have seen it', () => watch.values.length === 1 && live.values.length === 2);
    await scene.proxy.refuse();
    const { header } = await firstValueFrom(kv.txn({ success: [del('a/deleted'), put('a/new', 'x')] }));
    await firstValueFrom(kv.compact(header.revision));
    await scene.proxy.accept();
    const state = (): string[] => [...(live.values.at(-1)?.state.keys() ?? [])].sort();
    await waitFor('the new key is live', () => state().includes('a/new'));
    await firstValueFrom(kv.put('a/last', 'y'));
    await waitFor('the last key is live', () => state().includes('a/last'));
    await waitFor('the watch goes on, or ends', () => watch.error !== undefined || watch.values.at(-1)?.kv.key === 'a/last');
    expect([state(), live.error]).toEqual([['a/kept', 'a/last', 'a/new'], undefined]);
    const seen = watch.values.map((event) => `${event.type} ${event.kv.key}`).sort();
    if (watch.error === undefined) expect(seen).toEqual(['delete a/deleted', 'put a/kept', 'put a/last', 'put a/new']);
    else expect([seen, watch.error]).toMatchObject([['put a/kept'], { reason: 'Compacted' }]);
  });

  test('at the last revision that a watch has received, it resumes and emits that revision once', async () => {
    const { kv } = scene.direct;
    const watch = collect(client.watch({ prefix: 'b/' }));
    await firstValueFrom(client.watchBatches({ prefix: 'b/' }));
    const { header } = await firstValueFrom(kv.put('b/seen', 'x'));
    await waitFor('it is seen', () => watch.values.length === 1);
    await scene.proxy.refuse();
    await firstValueFrom(kv.compact(header.revision));
    await firstValueFrom(kv.txn({ success: [del('b/seen'), put('b/missed', 'x')] }));
    await scene.proxy.accept();
    await waitFor('it goes on', () => watch.values.length >= 3 || watch.error !== undefined);
    await firstValueFrom(kv.put('b/last', 'x'));
    await waitFor('it reports the last', () => watch.values.at(-1)?.kv.key === 'b/last' || watch.error !== undefined);
    const seen = watch.values.map(({ type, kv: { key } }) => `${type} ${key}`);
    expect([seen.sort(), watch.error]).toEqual([['delete b/seen', 'put b/last', 'put b/missed', 'put b/seen'], undefined]);
  });

  test('at the revision that deletes the key of a lock, a waiter acquires the lock', async () => {
    const { kv } = scene.direct;
    const first = collect(scene.direct.lock('job'));
    await waitFor('it is held', () => first.values.length === 1);
    const second = collect(client.lock('job').pipe(take(1)));
    await firstValueFrom(client.connection$.pipe(filter(({ status }) => status === 'connected')));
    await scene.proxy.refuse();
    const { header } = await firstValueFrom(kv.delete(first.values[0]?.key ?? ''));
    await firstValueFrom(kv.compact(header.revision));
    await scene.proxy.accept();
    await waitFor('it is acquired', () => second.values.length === 1);
    first.stop();
  });
});
