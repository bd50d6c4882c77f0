import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from 'rxetcd';
import { firstValueFrom } from 'rxjs';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { contents, last, quick, shown, updated, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

let proxy: TcpProxy;
beforeAll(async () => {
  proxy = await startTcpProxy(fixture.server.endpoint);
});
afterAll(() => proxy.close());

/** Does something while a client of the proxy is disconnected. */
const away = async (etcd: Client, act: () => Promise<unknown>): Promise<void> => {
  await proxy.refuse();
  await act();
  await proxy.accept();
  await waitForValue(() => firstValueFrom(etcd.connection$), ({ status }) => status === 'connected'); // prettier-ignore
};

describe('live, after a disconnection', () => {
  test('emits the missed changes, revision by revision, if the history still exists', async () => {
    const { kv } = fixture.etcd;
    await only(kv.put('away/a', '1'));
    const etcd = fixture.client({ endpoints: proxy.endpoint, streams: quick });
    const seen = watching(etcd.live({ prefix: 'away/' }));
    await updated(seen, () => true);
    await away(etcd, async () => {
      for (const call of [kv.put('away/a', '2'), kv.delete('away/a'), kv.put('away/b', '1')]) await only<unknown>(call);
    });
    await updated(seen, ({ state }) => state.has('away/b'));
    expect(seen.values.slice(1).map(({ type, changes }) => [type, ...changes.map(shown)])).toEqual([
      ['change', 'put away/a=2 was 1'],
      ['change', 'delete away/a= was 2'],
      ['change', 'put away/b=1'],
    ]);
  });

  test('lists again after a compaction, emits a resync, and the changes with deletions', async () => {
    const { kv } = fixture.etcd;
    const prefix = { prefix: 'resync/' };
    for (const name of ['same', 'changed', 'deleted', 'again']) await only(kv.put(`resync/${name}`, 'old'));
    const etcd = fixture.client({ endpoints: proxy.endpoint, streams: quick });
    const seen = watching(etcd.live(prefix));
    await updated(seen, () => true);
    await away(etcd, async () => {
      await only(kv.delete('resync/deleted'));
      await only(kv.delete('resync/again'));
      await only(kv.put('resync/again', 'old'));
      await only(kv.put('resync/new', 'new'));
      const { header } = await only(kv.put('resync/changed', 'new'));
      await only(kv.compact(header.revision, { physical: true }));
    });
    await updated(seen, ({ type }) => type === 'resync');
    const resync = last(seen);
    expect(resync?.changes.map(shown).sort()).toEqual([
      'delete resync/deleted= was old',
      'put resync/again=old was old',
      'put resync/changed=new was old',
      'put resync/new=new',
    ]);
    expect(contents(resync?.state.values() ?? [])).toEqual(contents((await only(kv.range(prefix))).kvs));
    expect(seen.values.map(({ type }) => type)).toEqual(['snapshot', 'resync']);
    // A new subscriber does not see the missed changes.
    expect(watching(etcd.live(prefix)).values).toMatchObject([{ type: 'snapshot', changes: [] }]);

    await only(kv.put('resync/new', 'newer'));
    await updated(seen, ({ type }) => type === 'change');
    expect(last(seen)?.changes.map(shown)).toEqual(['put resync/new=newer was new']);
  });
});

describe('liveState', () => {
  test('is stale while the server is stopped, with the last value, and live again when it is back', async () => {
    const etcd = fixture.client({ streams: quick });
    await only(etcd.kv.put('state/a', '1'));
    const seen = watching(etcd.liveState({ prefix: 'state/' }));
    await updated(seen, ({ status }) => status === 'live');
    await fixture.server.kill();
    await updated(seen, ({ status }) => status === 'stale');
    expect(last(seen)).toMatchObject({ error: { code: 'Unavailable' } });
    expect(last(seen)?.value?.get('state/a')?.value).toBe('1');
    await fixture.server.restart();
    await only(etcd.kv.put('state/a', '2'));
    await updated(seen, ({ status, value }) => status === 'live' && value?.get('state/a')?.value === '2');
    const statuses = seen.values.map(({ status }) => status);
    // While it is down, each attempt may fail with another cause, which is emitted.
    expect(statuses.filter((status, index) => status !== statuses[index - 1]).slice(0, 4)).toEqual(['loading', 'live', 'stale', 'live']);
    expect([seen.errors, new Set(seen.values).size]).toEqual([[], seen.values.length]);
  });

  test('is stale from the loss of the history until the next list, although the connection exists', async () => {
    const { kv } = fixture.etcd;
    await only(kv.put('lost/a', '1'));
    const etcd = fixture.client({ endpoints: proxy.endpoint, streams: quick });
    etcd.liveState('other').subscribe();
    const seen = watching(etcd.liveState('lost/a'));
    await updated(seen, ({ status }) => status === 'live');
    await away(etcd, async () => {
      await only(kv.put('lost/a', '2'));
      const { header } = await only(kv.put('lost/a', '3'));
      await only(kv.compact(header.revision, { physical: true }));
    });
    await updated(seen, ({ status, value }) => status === 'live' && value?.get('lost/a')?.value === '3');
    expect(seen.values.at(-2)).toMatchObject({ status: 'stale', error: { reason: 'Compacted' } });
    expect(seen.values.at(-2)?.value?.get('lost/a')?.value).toBe('1');
  });

  test('completes with the client, also for later subscribers', async () => {
    const etcd = fixture.client();
    const seen = watching(etcd.liveState({ prefix: 'state/' }));
    await updated(seen, ({ status }) => status === 'live');
    await etcd.close();
    expect([seen.completed, seen.errors]).toEqual([true, []]);
    const late = watching(etcd.liveState({ prefix: 'state/' }));
    expect([late.values.map(({ status }) => status), late.completed]).toEqual([['loading'], true]);
  });
});
