import { describe, expect, test } from '@jest/globals';
import { del, put, type Client, type WatchOptions } from 'rxetcd';
import { lastValueFrom, mergeMap, range, type Observable } from 'rxjs';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { events, quick, seenAtLeast, shown, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

/** Runs something many times, some at a time: etcd looks for events that a watch has missed ten times per second. */
const runs = (count: number, run: (index: number) => Promise<void>): Promise<unknown> =>
  lastValueFrom(range(0, count).pipe(mergeMap(run, 25)));

/** Subscribes to a watch, sends a write at once, and returns how many events of it arrived. */
async function eventsOf(etcd: Client, key: string, write: Observable<unknown>): Promise<number> {
  const seen = watching(etcd.watch(key));
  await only(write);
  await waitForValue(() => seen.values.length, (count) => count > 0, 30_000).catch(() => undefined); // prettier-ignore
  seen.leave();
  expect(seen.errors).toEqual([]);
  return seen.values.length;
}

describe('a watch of a client', () => {
  test('sees each of 1 000 puts that a warm client sends right after subscribing', async () => {
    const { etcd } = fixture;
    await only(etcd.kv.put('warm', ''));
    await runs(1_000, async (run) => expect(await eventsOf(etcd, `warm/${run}`, etcd.kv.put(`warm/${run}`, ''))).toBe(1));
  });

  test('sees the put that a cold client sends right after subscribing', async () => {
    await runs(200, async (run) => {
      const etcd = fixture.client();
      expect(await eventsOf(etcd, `cold/${run}`, etcd.kv.put(`cold/${run}`, ''))).toBe(1);
      await etcd.close();
    });
  });

  test.each<[string, (etcd: Client, key: string) => Observable<unknown>]>([
    ['delete', ({ kv }, key) => kv.delete(key)],
    ['delete of a prefix', ({ kv }, key) => kv.delete({ prefix: key.slice(0, -1) })],
    ['txn', ({ kv }, key) => kv.txn({ success: [put(key, '2')] })],
    ['txn that deletes a prefix', ({ kv }, key) => kv.txn({ success: [del({ prefix: key.slice(0, -1) })] })],
    ['txn in a namespace', (etcd, key) => etcd.namespace(key.slice(0, 3)).kv.txn({ success: [put(key.slice(3), '2')] })],
    ['raw call', (etcd, key) => etcd.call('/kv/put', { key: btoa(key), value: '' })],
    ['raw txn', (etcd, key) => etcd.call('/kv/txn', { success: [{ request_put: { key: btoa(key), value: '' } }] })],
  ])('sees a %s that its client sends right after subscribing', async (name, write) => {
    const { etcd } = fixture;
    await runs(50, async (run) => {
      const key = `kinds/${name}/${run}/key`;
      await only(etcd.kv.put(key, '1'));
      expect(await eventsOf(etcd, key, write(etcd, key))).toBe(1);
    });
  });

  test('does not emit earlier writes of others, although its client sent a write since that changed nothing', async () => {
    const { etcd } = fixture;
    const other = fixture.client();
    for (let run = 0; run < 50; run++) {
      const key = `before/${run}`;
      await only(other.kv.put(key, 'before'));
      const seen = watching(etcd.watch(key));
      await only(etcd.kv.delete(`${key}/none`));
      await only(etcd.kv.txn({ compare: [], success: [del(`${key}/none`)] }));
      await only(etcd.kv.put(key, 'after'));
      await waitForValue(() => seen.values.length, (count) => count > 0); // prettier-ignore
      seen.leave();
      expect(seen.values.map(({ kv }) => kv.value)).toEqual(['after']);
    }
  });
});

test('a watch sees a put of its client although the responses to the put and to its own read were lost', async () => {
  const proxy = await startTcpProxy(fixture.server.endpoint);
  const etcd = fixture.client({ endpoints: proxy.endpoint, streams: quick });
  await only(etcd.kv.put('lost/other', ''));
  proxy.down.stall();
  const seen = watching(etcd.watch('lost'));
  const outcome = failureWith('AmbiguousWrite', etcd.kv.put('lost', 'once'));
  await waitForValue(() => only(fixture.etcd.kv.get('lost')), (kv) => kv !== undefined); // prettier-ignore
  proxy.cut();
  proxy.down.resume();
  await outcome;
  await seenAtLeast(seen, 1);
  expect([seen.values.map(shown), seen.errors]).toEqual([['put lost=once'], []]);
  await etcd.close();
  await proxy.close();
});

describe('onStart', () => {
  test.each<[string, (etcd: Client, options: WatchOptions) => Observable<unknown>]>([
    ['watch', (etcd, options) => etcd.watch('start', options)],
    ['watchBatches', (etcd, options) => etcd.watchBatches('start', options)],
    ['watchOnce', (etcd, options) => etcd.watchOnce('start', options)],
    ['watch in a namespace', (etcd, options) => etcd.namespace('st').watch('art', options)],
    ['watch from a revision', (etcd, options) => etcd.watch('start', { ...options, startRevision: 2 })],
  ])('of %s is called once the watch receives the writes of others, with the revision', async (_, watch) => {
    const etcd = fixture.client();
    const other = fixture.client();
    await only(other.kv.put('start', 'before'));
    const started: number[] = [];
    const seen = watching(watch(etcd, { onStart: (revision) => started.push(revision) }));
    await waitForValue(() => started.length, (count) => count > 0); // prettier-ignore
    const { header } = await only(other.kv.put('start', 'after'));
    await waitForValue(() => JSON.stringify(seen.values), (values) => values.includes('after')); // prettier-ignore
    await only(other.kv.delete('start'));
    seen.leave();
    expect([started.length, seen.errors]).toEqual([1, []]);
    expect(started[0]).toBeLessThan(header.revision);
    await etcd.close();
  });

  test('is called at once for a subscriber that joins a started watch', async () => {
    const { etcd } = fixture;
    const first = await events(etcd, 'joined');
    let started = 0;
    const seen = watching(etcd.watch('joined', { onStart: () => (started += 1) }));
    expect(started).toBe(1);
    seen.leave();
    first.leave();
  });

  test('fails the watch with the error that it throws, and no other that shares it', async () => {
    const { etcd } = fixture;
    const fault = new Error('not now');
    const fails = (): never => {
      throw fault;
    };
    const [seen, other] = [watching(etcd.watch('throws', { onStart: fails })), watching(etcd.watch('throws'))];
    await waitForValue(() => seen.errors.length, (count) => count > 0); // prettier-ignore
    await only(etcd.kv.put('throws', ''));
    await seenAtLeast(other, 1);
    expect([seen.errors, seen.values, other.errors]).toEqual([[fault], [], []]);
    other.leave();
  });
});
