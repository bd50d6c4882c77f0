import { afterAll, describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { del, put, toText, type Client, type LeaseId, type LiveUpdate } from 'rxetcd';
import { filter, firstValueFrom, lastValueFrom, map, mergeMap, range, take, type Observable } from 'rxjs';
import { startStreamProxy, type StreamProxy } from '../support/faultProxies/streamProxy.js';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { startProxy, UNHEDGED } from './support/proxy.js';
import { last, quick, updated, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

const proxies: StreamProxy[] = [];
const proxied = async (): Promise<StreamProxy> => {
  const proxy = await startStreamProxy(fixture.server.endpoint);
  proxies.push(proxy);
  return proxy;
};
// This also runs after a failed test.
afterAll(() => Promise.all(proxies.map((proxy) => proxy.close())));

/** Runs something many times, one after another. */
async function times(count: number, run: (index: number) => Promise<void>): Promise<void> {
  for (let index = 0; index < count; index++) await run(index);
}

/** The keys of a first state with their values. */
const first = async (live: Observable<LiveUpdate>): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries([...(await firstValueFrom(live)).state].map(([key, { value }]) => [key, value]));

describe('a new subscriber of a live range that has other subscribers', () => {
  test('never receives a state older than a put that its client has acknowledged: 0 of 10 000', async () => {
    const { etcd } = fixture;
    const writers = Array.from({ length: 20 }, (_, writer) => `told/${writer}`);
    const shared = [{ prefix: 'told/' }, { all: true } as const, ...writers].map((which) => watching(etcd.live(which)));
    const behind: string[] = [];
    await Promise.all(
      writers.map((key, writer) =>
        times(500, async (run) => {
          const value = String(run);
          await only(etcd.kv.put(key, value));
          const seen = await first(etcd.live([key, { prefix: 'told/' }, { all: true } as const][(run + writer) % 3] ?? key));
          if (seen[key] !== value) behind.push(`${key}: ${seen[key]} in place of ${value}`);
        }),
      ),
    );
    expect(behind).toEqual([]);
    expect(shared.flatMap(({ errors }) => errors)).toEqual([]);
    for (const { leave } of shared) leave();
  });

  const granted = async (etcd: Client): Promise<LeaseId> => (await only(etcd.lease.grant(60))).id;

  test.each<[string, (etcd: Client, key: string, value: string) => Promise<unknown>, (value: string) => string | undefined]>([
    ['a put', ({ kv }, key, value) => only(kv.put(key, value)), (value) => value],
    ['a delete', ({ kv }, key) => only(kv.delete(key)), () => undefined],
    ['a delete of a larger range', ({ kv }, key) => only(kv.delete({ prefix: key.slice(0, -1) })), () => undefined],
    ['a delete within it', ({ kv }, key) => only(kv.delete({ from: key, to: `${key}~` })), () => undefined],
    ['a txn', ({ kv }, key, value) => only(kv.txn({ success: [put(`${key}-other`, ''), put(key, value)] })), (value) => value],
    ['a txn that deletes', ({ kv }, key) => only(kv.txn({ success: [del({ prefix: key })] })), () => undefined],
    ['a put in a namespace', (etcd, key, value) => only(etcd.namespace('ki').kv.put(key.slice(2), value)), (value) => value],
    ['a raw put', (etcd, key, value) => only(etcd.call('/kv/put', { key: btoa(key), value: btoa(value) })), (value) => value],
    ['a raw delete', (etcd, key) => only(etcd.call('/kv/deleterange', { key: btoa(key) })), () => undefined],
    [
      'a revocation',
      async ({ kv, lease }, key, value) => {
        const id = await granted(fixture.etcd);
        await only(kv.put(key, value, { lease: id }));
        await only(lease.revoke(id));
      },
      () => undefined,
    ],
  ])('is up to date after %s', async (name, write, expected) => {
    const { etcd } = fixture;
    const folder = `kinds/${name}/`;
    const inside = etcd.namespace('kinds/');
    const shared = [watching(etcd.live({ prefix: folder })), watching(etcd.live(`${folder}key/1`)), watching(inside.live({ all: true }))];
    await times(60, async (run) => {
      const key = `${folder}key/1`;
      const value = String(run);
      await only(etcd.kv.put(key, 'before'));
      await write(etcd, key, value);
      const [inFolder, alone, within] = await Promise.all([
        first(etcd.live({ prefix: folder })),
        first(etcd.live(key)),
        first(inside.live({ all: true })),
      ]);
      expect([inFolder[key], alone[key], within[key.slice('kinds/'.length)]]).toEqual(Array(3).fill(expected(value)));
    });
    for (const { leave } of shared) leave();
  });

  test('is up to date if each watch has a separate connection', async () => {
    const etcd = fixture.client({ streams: { transport: 'chunked' } });
    const shared = watching(etcd.live({ prefix: 'chunked/' }));
    await times(300, async (run) => {
      await only(etcd.kv.put('chunked/key', String(run)));
      expect(await first(etcd.live({ prefix: 'chunked/' }))).toEqual({ 'chunked/key': String(run) });
    });
    shared.leave();
  });

  test('waits without a request to the server', async () => {
    const proxy = await startProxy(fixture.server.endpoint);
    const etcd = fixture.client({ endpoints: proxy.endpoint, ...UNHEDGED, streams: { transport: 'chunked' } });
    const shared = watching(etcd.live('counted'));
    await updated(shared, () => true);
    const reads = (): number => proxy.calls.filter(({ path }) => path.endsWith('/kv/range')).length;
    const before = reads();
    await times(20, async (run) => {
      await only(etcd.kv.put('counted', String(run)));
      const seen = await Promise.all(Array.from({ length: 20 }, () => first(etcd.live('counted'))));
      expect(seen).toEqual(Array(20).fill({ counted: String(run) }));
    });
    expect([before, reads()]).toEqual([1, 1]);
    shared.leave();
    await etcd.close();
    await proxy.stop();
  });

  test('is up to date after calls of the lock and election services', async () => {
    const { etcd } = fixture;
    const { lockService, electionService } = etcd;
    const shared = [watching(etcd.live({ prefix: 'lock/' })), watching(etcd.live({ prefix: 'election/' }))];
    const lease = await granted(etcd);
    const values = async (prefix: string) => Object.values(await first(etcd.live({ prefix })));
    await times(30, async (run) => {
      const { key } = await only(lockService.lock('lock', { lease }));
      expect(Object.keys(await first(etcd.live({ prefix: 'lock/' })))).toEqual([toText(key)]);
      await only(lockService.unlock(key));
      expect(await values('lock/')).toEqual([]);
      const { leader } = await only(electionService.campaign('election', 'one', { lease }));
      expect(await values('election/')).toEqual(['one']);
      await only(electionService.proclaim(leader, `two ${run}`));
      expect(await values('election/')).toEqual([`two ${run}`]);
      await only(electionService.resign(leader));
      expect(await values('election/')).toEqual([]);
    });
    for (const { leave } of shared) leave();
  });

  test('has its value at once if its client has no write in progress', async () => {
    const { etcd } = fixture;
    const other = fixture.client();
    await only(etcd.kv.put('at once', 'here'));
    const shared = watching(etcd.live('at once'));
    await updated(shared, ({ state }) => state.size === 1);
    // The read does not wait for writes of other keys or of other clients.
    await only(etcd.kv.put('at one', ''));
    await only(other.kv.delete('none'));
    const late = watching(etcd.live('at once'));
    expect(late.values.map(({ type, changes }) => [type, changes.length])).toEqual([['snapshot', 0]]);
    late.leave();
    shared.leave();
  });
});

test('leader$ of a new subscriber includes the campaign and the resignation of its client', async () => {
  const { etcd } = fixture;
  const election = etcd.election('own leader');
  const shared = watching(election.leader$);
  await times(60, async (run) => {
    const term = watching(election.campaign(`node ${run}`));
    const leadership = await waitForValue(() => last(term), (won) => won !== undefined); // prettier-ignore
    expect((await firstValueFrom(election.leader$))?.value).toBe(`node ${run}`);
    await only(leadership?.proclaim(`again ${run}`) ?? never());
    expect((await firstValueFrom(election.leader$))?.value).toBe(`again ${run}`);
    await only(leadership?.resign() ?? never());
    expect(await firstValueFrom(election.leader$)).toBeUndefined();
  });
  shared.leave();
});

test('endpoints$ of a new subscriber includes what its client has registered', async () => {
  const { etcd } = fixture;
  const services = etcd.services('own');
  const shared = watching(services.endpoints$);
  await times(60, async (run) => {
    const id = `node-${run}`;
    const registered = watching(services.register(id, { addr: `10.0.0.1:${run}` }));
    await waitForValue(() => registered.values.length, (count) => count > 0); // prettier-ignore
    expect([...(await firstValueFrom(services.endpoints$)).keys()]).toContain(id);
    registered.leave();
  });
  shared.leave();
});

describe('a view', () => {
  test('of a new subscriber is live with a state that includes the responses of its client', async () => {
    const { etcd } = fixture;
    const key = 'view';
    const shared = watching(etcd.live(key));
    const live = <T>(view: Observable<{ readonly status: string; readonly value: T }>): Promise<T> =>
      firstValueFrom(view.pipe(filter(({ status }) => status === 'live'), map(({ value }) => value))); // prettier-ignore
    await lastValueFrom(
      range(0, 200).pipe(
        mergeMap(async (run) => {
          await only(etcd.kv.put(key, String(run)));
          const state = await live(etcd.liveState(key));
          expect(Number(state?.get(key)?.value)).toBeGreaterThanOrEqual(run);
          expect(await live(etcd.liveValueState(key, { codec: t.number }))).toBeGreaterThanOrEqual(run);
          expect(await firstValueFrom(etcd.liveValue(key, { codec: t.number }))).toBeGreaterThanOrEqual(run);
        }, 1),
      ),
    );
    shared.leave();
  });

  test('is stale while the stream is down that would deliver a write of its client, and live with it afterwards', async () => {
    const proxy = await proxied();
    const etcd = fixture.client({ endpoints: proxy.endpoint, streams: { ...quick, transport: 'websocket' } });
    const key = 'down';
    await only(etcd.kv.put(key, '1'));
    const shared = watching(etcd.live(key));
    await updated(shared, ({ state }) => state.size === 1);
    await firstValueFrom(etcd.connection$.pipe(filter(({ status }) => status === 'connected')));
    proxy.refuseStreams();
    await firstValueFrom(etcd.connection$.pipe(filter(({ status }) => status === 'reconnecting')));
    await only(etcd.kv.put(key, '2'));
    const plain = watching(etcd.live(key));
    const [value, state, ready] = [
      watching(etcd.liveValueState(key, { codec: t.number })),
      watching(etcd.liveState(key)),
      watching(etcd.liveReady(key)),
    ];
    await updated(value, ({ status }) => status === 'stale');
    expect([last(value), last(state)?.status, ready.values, plain.values]).toMatchObject([{ value: 1 }, 'stale', [false], []]);
    proxy.acceptStreams();
    await updated(value, ({ status }) => status === 'live');
    await updated(ready, (is) => is);
    for (const { values } of [value, state]) expect(values.filter(({ status }) => status === 'live')).toHaveLength(1);
    expect([last(value)?.value, last(state)?.value?.get(key)?.value, ready.values]).toEqual([2, '2', [false, true]]);
    expect(plain.values.map(({ type, state: at }) => [type, at.get(key)?.value])).toEqual([['snapshot', '2']]);
    for (const { leave } of [shared, plain, value, state, ready]) leave();
    await etcd.close();
  });

  test('that waits for its server is loading, and then live without having been stale', async () => {
    const proxy = await proxied();
    const etcd = fixture.client({ endpoints: proxy.endpoint, streams: { ...quick, initialBackoffMs: 100 } });
    await only(fixture.etcd.kv.put('late', '1'));
    await proxy.close();
    const seen = watching(etcd.liveValueState('late', { codec: t.number }));
    await updated(seen, ({ error }) => error !== undefined);
    etcd.setEndpoints([fixture.server.endpoint]);
    await updated(seen, ({ status }) => status === 'live');
    await firstValueFrom(etcd.connection$.pipe(filter(({ status }) => status === 'connected'), take(1))); // prettier-ignore
    expect([...new Set(seen.values.map(({ status }) => status))]).toEqual(['loading', 'live']);
    seen.leave();
    await etcd.close();
  });
});

function never(): never {
  throw new Error('it was not won');
}
