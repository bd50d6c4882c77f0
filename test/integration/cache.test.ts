import { expect, test } from '@jest/globals';
import { put, type Cache, type Client } from 'rxetcd';
import { firstValueFrom, ReplaySubject } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';

const fixture = withEtcd({ own: true });

/** A cache of a prefix, which is held until the client is closed. */
async function held(client: Client, prefix: string): Promise<Cache> {
  const caches = new ReplaySubject<Cache>(1);
  client.cache({ prefix }).subscribe(caches);
  return firstValueFrom(caches);
}

const fill = async (prefix: string, count: number): Promise<void> => {
  for (let first = 0; first < count; first += 100) {
    const success = Array.from({ length: Math.min(100, count - first) }, (_, index) => put(`${prefix}${first + index}`, 'old'));
    await only(fixture.etcd.kv.txn({ success }));
  }
};

test.each([3, 300])(
  'a linearizable read of a cache includes what another client wrote, puts and deletes alike, with %i keys',
  async (count) => {
    const prefix = `many-${count}/`;
    await fill(prefix, count);
    for (const transport of ['websocket', 'chunked'] as const) {
      const cache = await held(fixture.client({ streams: { transport } }), prefix);
      const { kv } = fixture.etcd;
      for (let round = 0; round < 20; round++) {
        const value = `${transport} ${round}`;
        await only(kv.put(`${prefix}1`, value));
        expect((await only(cache.get(`${prefix}1`)))?.value).toBe(value);
        await only(kv.delete(`${prefix}1`));
        // No event of the range leads to this revision.
        await only(kv.put('elsewhere', value));
        expect(await only(cache.get(`${prefix}1`))).toBeUndefined();
      }
      const { kvs, revision } = await only(cache.range());
      const stored = await only(kv.range({ prefix }, { revision }));
      expect(kvs.map((each) => [each.key, each.value, each.modRevision])).toEqual(
        stored.kvs.map((each) => [each.key, each.value, each.modRevision]),
      );
    }
  },
);

test('a cache of an empty range follows the first keys and the last', async () => {
  const cache = await held(fixture.client(), 'empty/');
  expect((await only(cache.range())).count).toBe(0);
  await only(fixture.etcd.kv.put('empty/a', '1'));
  expect((await only(cache.range())).count).toBe(1);
  await only(fixture.etcd.kv.delete('empty/a'));
  await only(fixture.etcd.kv.put('elsewhere', '1'));
  expect((await only(cache.range())).count).toBe(0);
});
