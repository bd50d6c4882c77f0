import { describe, expect, test } from '@jest/globals';
import { isCreate, isModify, type Range } from 'rxetcd';
import { config, firstValueFrom, lastValueFrom, mergeMap, range, take } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { batches, events, seenAtLeast, serverWatches, shown, shownBatch, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

describe('watch', () => {
  test('emits the puts and deletes of its range, and no others', async () => {
    const { kv } = fixture.etcd;
    const seen = await events(fixture.client(), { prefix: 'w/' });
    for (const call of [kv.put('w/a', '1'), kv.put('x/a', '1'), kv.put('w/a', '2'), kv.delete('w/a'), kv.put('w/b', '1')])
      await only<unknown>(call);
    await seenAtLeast(seen, 4);
    expect(seen.values.map(shown)).toEqual(['put w/a=1', 'put w/a=2', 'delete w/a=', 'put w/b=1']);
    expect(seen.values.map(({ kv: { version } }) => version)).toEqual([1, 2, 0, 1]);
  });

  test.each<[string, Range, string[]]>([
    ['one key', 'f/b', ['f/b']],
    ['an interval', { from: 'f/a', to: 'f/c' }, ['f/a', 'f/b']],
    ['all from a key on', { from: 'f/b' }, ['f/b', 'f/c']],
    ['all keys', { all: true }, ['f/a', 'f/b', 'f/c']],
  ])('of %s emits the events of the range', async (_, which, expected) => {
    const { kv } = fixture.etcd;
    const seen = await events(fixture.client(), which);
    for (const name of ['f/a', 'f/b', 'f/c']) await only(kv.put(name, ''));
    await seenAtLeast(seen, expected.length);
    expect(seen.values.map((event) => event.kv.key)).toEqual(expected);
  });

  test('emits with prevKv the previous key-value, if there was one', async () => {
    const { kv } = fixture.etcd;
    const seen = await events(fixture.client(), { prefix: 'prev/' }, { prevKv: true });
    for (const call of [kv.put('prev/a', '1'), kv.put('prev/a', '2'), kv.delete('prev/a')]) await only<unknown>(call);
    await seenAtLeast(seen, 3);
    expect(seen.values.map(shown)).toEqual(['put prev/a=1', 'put prev/a=2 was 1', 'delete prev/a= was 2']);
  });

  test('omits puts with `noPut`, and deletes with `noDelete`', async () => {
    const { kv } = fixture.etcd;
    const etcd = fixture.client();
    const [deletes, puts] = [
      await events(etcd, { prefix: 'no/' }, { noPut: true }),
      await events(etcd, { prefix: 'no/' }, { noDelete: true }),
    ];
    for (const call of [kv.put('no/a', '1'), kv.delete('no/a'), kv.put('no/a', '2'), kv.delete('no/a')]) await only<unknown>(call);
    await Promise.all([seenAtLeast(deletes, 2), seenAtLeast(puts, 2)]);
    expect([puts.values.map(shown), deletes.values.map(shown)]).toEqual([
      ['put no/a=1', 'put no/a=2'],
      ['delete no/a=', 'delete no/a='],
    ]);
  });

  test('emits the deletion of a key whose lease has ended', async () => {
    const { kv, lease } = fixture.etcd;
    const seen = await events(fixture.client(), 'leased');
    const { id } = await only(lease.grant(60));
    await only(kv.put('leased', 'x', { lease: id }));
    await only(lease.revoke(id));
    await seenAtLeast(seen, 2);
    expect(seen.values.map(shown)).toEqual(['put leased=x', 'delete leased=']);
    expect(seen.values[0]?.kv.lease).toBe(id);
  });

  test('continues for the other subscribers when one unsubscribes, completes or throws', async () => {
    const etcd = fixture.client();
    const unhandled: unknown[] = [];
    config.onUnhandledError = (error) => unhandled.push(error);
    try {
      etcd.watch('others').subscribe(() => {
        throw new Error('a fault of who watches');
      });
      const stays = await events(etcd, 'others');
      const enough = watching(etcd.watch('others').pipe(take(1)));
      const leaves = watching(etcd.watch('others'));
      await only(fixture.etcd.kv.put('others', '1'));
      await seenAtLeast(stays, 1);
      leaves.leave();
      await only(fixture.etcd.kv.put('others', '2'));
      await seenAtLeast(stays, 2);
      expect([enough, leaves].map(({ values }) => values.length)).toEqual([1, 1]);
      expect(enough.completed).toBe(true);
      await waitForValue(() => unhandled.length, (count) => count === 2); // prettier-ignore
    } finally {
      config.onUnhandledError = null;
    }
  });
});

describe('watch from a revision', () => {
  test('replays past events to each subscriber, and continues', async () => {
    const { kv } = fixture.etcd;
    const etcd = fixture.client();
    const { header } = await only(kv.put('replay/a', '1'));
    for (const value of ['2', '3']) await only(kv.put('replay/a', value));
    const replayed = etcd.watch({ prefix: 'replay/' }, { startRevision: header.revision + 1 });
    const first = watching(replayed);
    await seenAtLeast(first, 2);
    await only(kv.put('replay/a', '4'));
    await seenAtLeast(first, 3);
    const second = watching(replayed);
    await seenAtLeast(second, 3);
    expect([first, second].map(({ values }) => values.map(({ kv: { value } }) => value))).toEqual([['2', '3', '4'], ['2', '3', '4']]); // prettier-ignore
  });

  test('replays three thousand revisions in order, each once', async () => {
    const { kv } = fixture.etcd;
    const { header } = await only(kv.put('many/0', ''));
    await lastValueFrom(range(1, 3_000).pipe(mergeMap((index) => kv.put(`many/${index % 10}`, String(index)), 32)));
    const seen = watching(fixture.client().watch({ prefix: 'many/' }, { startRevision: header.revision }));
    await seenAtLeast(seen, 3_001);
    expect(seen.values.map(({ revision }) => revision)).toEqual(Array.from({ length: 3_001 }, (_, index) => header.revision + index));
  });

  test('in the future waits for it', async () => {
    const { kv } = fixture.etcd;
    const { header } = await only(kv.put('future', 'now'));
    const seen = watching(fixture.client().watchBatches('future', { startRevision: header.revision + 3 }));
    await seenAtLeast(seen, 1);
    for (const value of ['1', '2', '3', '4']) await only(kv.put('future', value));
    await seenAtLeast(seen, 3);
    expect(seen.values.map(shownBatch)).toEqual([
      `progress ${header.revision + 2}`,
      `events ${header.revision + 3} put future=3`,
      `events ${header.revision + 4} put future=4`,
    ]);
  });

  test('that is compacted fails with Compacted, and the oldest available revision', async () => {
    const { kv } = fixture.etcd;
    const { header } = await only(kv.put('old', '1'));
    await only(kv.put('old', '2'));
    const { header: newest } = await only(kv.put('old', '3'));
    await only(kv.compact(newest.revision));
    const error = await failureWith('Compacted', fixture.client().watch('old', { startRevision: header.revision }));
    expect(error).toMatchObject({ compactRevision: newest.revision, code: 'OutOfRange', rpc: 'Watch.Watch' });
    // The remedy that the error names works.
    const seen = watching(fixture.etcd.watch('old', { startRevision: error.compactRevision ?? 0 }));
    await seenAtLeast(seen, 1);
    expect(seen.values.map(shown)).toEqual(['put old=3']);
    seen.leave();
  });
});

describe('watchOnce', () => {
  test('waits for the event that its filter accepts', async () => {
    const { etcd } = fixture;
    await only(etcd.kv.put('filtered/a', '1'));
    const once = watching(etcd.watchOnce({ prefix: 'filtered/' }, { filter: isModify }));
    const created = watching(etcd.watchOnce({ prefix: 'filtered/' }, { filter: isCreate }));
    await only(etcd.kv.put('filtered/b', '1'));
    await only(etcd.kv.delete('filtered/b'));
    await only(etcd.kv.put('filtered/a', '2'));
    await Promise.all([seenAtLeast(once, 1), seenAtLeast(created, 1)]);
    expect([...once.values, ...created.values].map(shown)).toEqual(['put filtered/a=2', 'put filtered/b=1']);
    expect([once.completed, created.completed]).toEqual([true, true]);
  });

  test('emits the next change and completes', async () => {
    const etcd = fixture.client();
    const once = watching(etcd.watchOnce({ prefix: 'once/' }));
    (await batches(etcd, { prefix: 'once/' })).leave();
    for (const value of ['1', '2']) await only(fixture.etcd.kv.put('once/a', value));
    await seenAtLeast(once, 1);
    expect([once.values.map(shown), once.completed]).toEqual([['put once/a=1'], true]);
  });

  test('emits a change since a revision', async () => {
    const { header } = await only(fixture.etcd.kv.put('once/since', 'then'));
    const event = await firstValueFrom(fixture.client().watchOnce({ prefix: 'once/' }, { startRevision: header.revision, noDelete: true }));
    expect(shown(event)).toBe('put once/since=then');
  });
});

/** This server has no other watches: an old one may end those of earlier tests late, which would change its count. */
describe('the watches on the server', () => {
  const fixture = withEtcd({ own: true });

  test('are one for equal watches, another for other options, and none after unsubscribing', async () => {
    const etcd = fixture.client({ streams: { lingerMs: 50 } });
    await batches(etcd, 'shared by none');
    const before = await serverWatches(fixture.etcd);
    const same = await Promise.all(Array.from({ length: 20 }, () => events(etcd, { prefix: 'shared/' })));
    expect(await serverWatches(fixture.etcd)).toBe(before + 1);
    const other = await events(etcd, { prefix: 'shared/' }, { prevKv: true });
    expect(await serverWatches(fixture.etcd)).toBe(before + 2);
    await only(fixture.etcd.kv.put('shared/a', ''));
    for (const seen of [...same, other]) {
      await seenAtLeast(seen, 1);
      expect(seen.values).toHaveLength(1);
      seen.leave();
    }
    expect(
      await waitForValue(
        () => serverWatches(fixture.etcd),
        (count) => count === before,
      ),
    ).toBe(before);
  });

  test('are none after watchOnce, which fails if no event arrived within its timeout', async () => {
    const etcd = fixture.client({ streams: { lingerMs: 10 } });
    await batches(etcd, 'once/another');
    const before = await serverWatches(fixture.etcd);
    const error = await failureWith('DeadlineExceeded', etcd.watchOnce('never', { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: 'DeadlineExceeded', rpc: 'Watch.Watch' });
    expect(
      await waitForValue(
        () => serverWatches(fixture.etcd),
        (count) => count === before,
      ),
    ).toBe(before);
  });
});
