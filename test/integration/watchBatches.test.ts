import { describe, expect, test } from '@jest/globals';
import { del, put } from 'rxetcd';
import { concatMap, firstValueFrom, lastValueFrom, mergeMap, range } from 'rxjs';
import { startEtcd } from '../support/etcd/index.js';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { batches, seenAtLeast, shown, shownBatch, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

describe('watchBatches', () => {
  test('begins with a bookmark, and emits everything from then on', async () => {
    const { kv } = fixture.etcd;
    const { header } = await only(kv.put('first/a', ''));
    const seen = await batches(fixture.client(), { prefix: 'first/' });
    expect(seen.values).toEqual([{ type: 'progress', revision: header.revision, events: [] }]);
    const next = await only(kv.put('first/a', '2'));
    await seenAtLeast(seen, 2);
    expect(seen.values.slice(1).map(shownBatch)).toEqual([`events ${next.header.revision} put first/a=2`]);
  });

  test('emits a bookmark with the current revision to a late subscriber', async () => {
    const etcd = fixture.client();
    const first = await batches(etcd, 'late');
    const { header } = await only(fixture.etcd.kv.put('late', ''));
    await seenAtLeast(first, 2);
    expect(watching(etcd.watchBatches('late')).values).toEqual([{ type: 'progress', revision: header.revision, events: [] }]);
  });

  test('emits all changes of a txn as one batch, and those of a delete', async () => {
    const { kv } = fixture.etcd;
    const keys = Array.from({ length: 100 }, (_, index) => `txn/${String(index).padStart(2, '0')}`);
    const seen = await batches(fixture.client(), { prefix: 'txn/' });
    await only(kv.txn({ success: keys.map((key) => put(key, '1')) }));
    await only(kv.txn({ success: [del('txn/00'), put('txn/01', '2'), put('other', '')] }));
    await only(kv.delete({ prefix: 'txn/' }));
    await seenAtLeast(seen, 4);
    const [, puts, mixed, deletes] = seen.values.map(({ events: all }) => all.map(shown));
    expect([puts, mixed, deletes]).toEqual([keys.map((key) => `put ${key}=1`), ['delete txn/00=', 'put txn/01=2'], keys.slice(1).map((key) => `delete ${key}=`)]); // prettier-ignore
  });

  test('emits whole revisions if the server splits them', async () => {
    // About 1 MB per revision: a response of several revisions is split into parts of 1.5 MB, from 3.4 on. 3.3 cannot send
    // more than 4 MB at once.
    const { kv } = fixture.etcd;
    const rounds = fixture.has('3.4') ? 6 : 3;
    const value = 'v'.repeat(10_000);
    const txn = (round: number) =>
      kv.txn({ success: Array.from({ length: 100 }, (_, index) => put(`parts/${index}`, `${round}${value}`)) });
    const { header } = await only(kv.put('parts/begin', ''));
    await lastValueFrom(range(1, rounds).pipe(concatMap(txn)));
    const seen = watching(fixture.client().watchBatches({ prefix: 'parts/' }, { startRevision: header.revision + 1 }));
    await seenAtLeast(seen, 1 + rounds);
    const counted = seen.values.slice(1).map(({ revision, events: all }) => [revision - header.revision, all.length]);
    expect(counted).toEqual(Array.from({ length: rounds }, (_, index) => [index + 1, 100]));
  });

  test('emits bookmarks of the server with progressNotify, while its range does not change', async () => {
    // The server sends progress notifications every ten minutes; the interval can be set from 3.5 on.
    const server = fixture.has('3.5')
      ? await startEtcd({ own: true, args: ['--experimental-watch-progress-notify-interval=100ms'] })
      : undefined;
    const etcd = fixture.client(server === undefined ? {} : { endpoints: server.endpoint });
    const seen = await batches(etcd, 'quiet', { progressNotify: true });
    const { header } = await only(etcd.kv.put('elsewhere', ''));
    if (server !== undefined) await waitForValue(() => seen.values.at(-1)?.revision, (revision) => revision === header.revision); // prettier-ignore
    await only(etcd.kv.put('quiet', 'no more'));
    await waitForValue(() => seen.values.at(-1)?.type, (type) => type === 'events'); // prettier-ignore
    expect(new Set(seen.values.slice(0, -1).map(({ type }) => type))).toEqual(new Set(['progress']));
    seen.leave();
    await server?.stop();
  });
});

describe('the connection state', () => {
  test('is idle, connecting, connected while a watch is open, and idle again', async () => {
    const etcd = fixture.client({ streams: { lingerMs: 10 } });
    const states = watching(etcd.connection$);
    const seen = await batches(etcd, 'state');
    seen.leave();
    await waitForValue(() => states.values.at(-1)?.status, (status) => status === 'idle'); // prettier-ignore
    expect(states.values.map(({ status }) => status)).toEqual(['idle', 'connecting', 'connected', 'idle']);
    expect(states.values[2]).toMatchObject({ endpoint: fixture.server.endpoint, transport: 'websocket' });
    await etcd.close();
    expect([states.values.at(-1)?.status, states.completed]).toEqual(['closed', true]);
  });

  test('is connected with two hundred concurrent watches', async () => {
    const etcd = fixture.client();
    const all = await Promise.all(Array.from({ length: 200 }, (_, index) => batches(etcd, `all/${index}`)));
    await lastValueFrom(range(0, 200).pipe(mergeMap((index) => fixture.etcd.kv.put(`all/${index}`, String(index)), 16)));
    for (const [index, seen] of all.entries()) {
      await seenAtLeast(seen, 2);
      expect(seen.values.slice(1).flatMap((batch) => batch.events.map(shown))).toEqual([`put all/${index}=${index}`]);
    }
  });

  test('is the same with chunked as the chosen transport', async () => {
    const etcd = fixture.client({ streams: { transport: 'chunked' } });
    const [one, other] = [await batches(etcd, 'chunked/a'), await batches(etcd, 'chunked/b', { prevKv: true })];
    for (const name of ['a', 'b', 'b']) await only(fixture.etcd.kv.put(`chunked/${name}`, name));
    await seenAtLeast(other, 3);
    await seenAtLeast(one, 2);
    expect([one, other].map(({ values }) => values.slice(1).flatMap((batch) => batch.events.map(shown)))).toEqual([
      ['put chunked/a=a'],
      ['put chunked/b=b', 'put chunked/b=b was b'],
    ]);
    expect(await firstValueFrom(etcd.connection$)).toMatchObject({ status: 'connected', transport: 'chunked' });
  });
});
