import { describe, expect, test } from '@jest/globals';
import { put, toText, type KeyValue, type LiveUpdate, type Range } from 'rxetcd';
import { defer, EMPTY, firstValueFrom, from, lastValueFrom, mergeMap, repeat, timer } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { contents, last, shown, updated, watching, type Seen } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

const keysOf = (state: ReadonlyMap<string, KeyValue>): string[] => [...state.keys()].sort();

/** The content of the store, now or at a revision. */
async function stored(keys: Range, revision?: number): Promise<readonly KeyValue[]> {
  return (await only(fixture.etcd.kv.range(keys, revision === undefined ? {} : { revision }))).kvs;
}

/** Writes changes until `stop`, each writer to a few separate keys: puts, deletes, and both in one txn. */
function write(prefix: string, writer: number, going: () => boolean): Promise<unknown> {
  const { kv } = fixture.etcd;
  const change = (index: number) => {
    const key = `${prefix}${writer}-${index % 7}`;
    if (index % 5 === 3) return kv.delete(key);
    if (index % 5 === 4) return kv.txn({ success: [put(key, `both ${index}`), put(`${prefix}${writer}-x`, `both ${index}`)] });
    return kv.put(key, String(index));
  };
  let index = 0;
  // The pause between two writes: a write whose connection is cut may still be carried out after the supposedly last one.
  return lastValueFrom(defer(() => change(index++)).pipe(repeat({ delay: () => (going() ? timer(1) : EMPTY) })));
}

describe('live', () => {
  test('has no gap between list and watch while writers run, and each state is that of the store at its revision', async () => {
    const prefix = 'gap/';
    let writing = true;
    const writers = Promise.all([1, 2, 3].map((writer) => write(prefix, writer, () => writing)));
    // The subscribers start one after the other while the writers run, each with a separate client.
    const seen: Seen<LiveUpdate>[] = [];
    for (let index = 0; index < 6; index++) {
      seen.push(watching(fixture.client().live({ prefix })));
      await waitForValue(() => seen[index]?.values.length ?? 0, (count) => count > 3); // prettier-ignore
    }
    writing = false;
    await writers;
    const end = await only(fixture.etcd.kv.put(`${prefix}end`, ''));
    for (const one of seen) await updated(one, ({ revision }) => revision === end.header.revision);

    const final = contents(await stored({ prefix }));
    for (const { values, errors } of seen) {
      expect(errors).toEqual([]);
      expect(contents(values.at(-1)?.state.values() ?? [])).toEqual(final);
      expect(values.map(({ type }) => type)).toEqual(['snapshot', ...values.slice(1).map(() => 'change')]);
      // No revision of the range is missing: the old value of each key in an update is that of the update before.
      for (const [index, { changes, revision }] of values.entries()) {
        const before = values[index - 1];
        if (before !== undefined) expect(revision).toBeGreaterThan(before.revision);
        for (const { kv, prevKv } of changes) expect(prevKv).toBe(before?.state.get(kv.key));
      }
    }
    const sample = seen.flatMap(({ values }) => values.filter((_, index) => index % 25 === 0));
    expect(sample.length).toBeGreaterThan(10);
    for (const { revision, state } of sample) expect(contents(state.values())).toEqual(contents(await stored({ prefix }, revision)));
  });

  test('lists several pages at one revision, and continues from there', async () => {
    const prefix = 'pages/';
    const { kv } = fixture.etcd;
    const names = Array.from({ length: 10_500 }, (_, index) => `${prefix}${String(index).padStart(5, '0')}`);
    const txns = Array.from({ length: Math.ceil(names.length / 100) }, (_, index) => names.slice(index * 100, index * 100 + 100));
    await lastValueFrom(from(txns).pipe(mergeMap((some) => kv.txn({ success: some.map((name) => put(name, 'old')) }), 8)));
    const seen = watching(fixture.client().live({ prefix }));
    // While the range is listed, the first key and the last are changed together.
    let round = 0;
    while (seen.values.length === 0) {
      round += 1;
      await only(kv.txn({ success: [put(`${prefix}00000`, String(round)), put(`${prefix}10499`, String(round))] }));
    }
    await updated(seen, ({ state }) => state.get(`${prefix}00000`)?.value === String(round));
    for (const { state } of seen.values) {
      expect(state.size).toBe(names.length);
      expect(state.get(`${prefix}00000`)?.value).toBe(state.get(`${prefix}10499`)?.value);
    }
  });

  test('begins with a snapshot, also of an empty range', async () => {
    const seen = watching(fixture.etcd.live({ prefix: 'empty/' }));
    await updated(seen, () => true);
    expect(seen.values).toMatchObject([{ type: 'snapshot', changes: [], revision: expect.any(Number) }]);
    expect(seen.values[0]?.state.size).toBe(0);
    seen.leave();
  });

  test('emits a snapshot with the state of the other subscribers to a late subscriber at once', async () => {
    const { live, kv } = fixture.client();
    await only(kv.put('late/a', '1'));
    const first = watching(live({ prefix: 'late/' }));
    await updated(first, () => true);
    await only(kv.put('late/b', '1'));
    await updated(first, ({ state }) => state.size === 2);
    const late = watching(live({ prefix: 'late/' }));
    expect(late.values).toMatchObject([{ type: 'snapshot', changes: [], revision: last(first)?.revision }]);
    expect(last(late)?.state).toBe(last(first)?.state);
    await only(kv.put('late/c', '1'));
    await updated(late, ({ state }) => state.size === 3);
    expect(last(late)).toBe(last(first));
  });

  test('emits each change with the previous value, and deletions and new creations of a key', async () => {
    const { live, kv } = fixture.client();
    const seen = watching(live({ prefix: 'change/' }));
    await updated(seen, () => true);
    for (const call of [kv.put('change/a', '1'), kv.put('change/a', '2'), kv.delete('change/a'), kv.put('change/a', '3')])
      await only<unknown>(call);
    await only(kv.txn({ success: [put('change/b', '1'), put('change/a', '4')] }));
    await updated(seen, ({ state }) => state.size === 2);
    expect(seen.values.slice(1).map(({ changes }) => changes.map(shown))).toEqual([
      ['put change/a=1'],
      ['put change/a=2 was 1'],
      ['delete change/a= was 2'],
      ['put change/a=3'],
      ['put change/b=1', 'put change/a=4 was 3'],
    ]);
    expect(last(seen)?.state.get('change/a')?.version).toBe(2);
  });

  test('never changes a state that it has emitted', async () => {
    const { live, kv } = fixture.client();
    for (let index = 0; index < 50; index++) await only(kv.put(`kept/${index}`, 'old'));
    const seen = watching(live({ prefix: 'kept/' }));
    await updated(seen, () => true);
    const then = contents(seen.values[0]?.state.values() ?? []);
    await only(kv.put('kept/1', 'new'));
    await only(kv.delete({ prefix: 'kept/2' }));
    await updated(seen, ({ state }) => state.size === 39);
    expect(contents(seen.values[0]?.state.values() ?? [])).toEqual(then);
    expect(then).toHaveLength(50);
  });

  test('distinguishes keys of any bytes', async () => {
    const { live, kv } = fixture.client();
    const prefix = Uint8Array.of(0x62, 0x2f);
    const keys = [[0xff], [0xfe], [0x00], [0xff, 0x00], [0xef, 0xbf, 0xbd]].map((bytes) => Uint8Array.of(...prefix, ...bytes));
    for (const key of keys) await only(kv.put(key, key));
    const seen = watching(live({ prefix }));
    await updated(seen, () => true);
    await only(kv.delete(keys[0] ?? prefix));
    await updated(seen, ({ type }) => type === 'change');
    const bytesIn = (state: ReadonlyMap<string, KeyValue> | undefined): string[] =>
      [...(state?.values() ?? [])].map(({ keyBytes }) => keyBytes.join()).sort();
    expect(seen.values.map(({ state }) => bytesIn(state))).toEqual(
      [keys, keys.slice(1)].map((list) => list.map((key) => key.join()).sort()),
    );
    expect([...(last(seen)?.state.values() ?? [])].every(({ keyBytes, valueBytes }) => keyBytes.join() === valueBytes.join())).toBe(true);
    expect(seen.values[0]?.state.get(toText(Uint8Array.of(...prefix, 0)))?.keyBytes).toEqual(keys[2]);
  });

  test('accepts one key, an interval and all keys', async () => {
    const { live, kv } = fixture.client();
    for (const name of ['r/a', 'r/b', 'r/c']) await only(kv.put(name, ''));
    const first = (which: Range): Promise<LiveUpdate> => firstValueFrom(live(which));
    expect(keysOf((await first('r/b')).state)).toEqual(['r/b']);
    expect(keysOf((await first({ from: 'r/a', to: 'r/c' })).state)).toEqual(['r/a', 'r/b']);
    expect((await first({ all: true })).state.size).toBe(await only(kv.count({ all: true })));
    await failureWith('InvalidArgument', live({ prefix: '' }));
  });

  test('completes when the client is closed, also for later subscribers', async () => {
    const etcd = fixture.client();
    const seen = watching(etcd.live({ prefix: 'closed/' }));
    await updated(seen, () => true);
    await etcd.close();
    expect([seen.completed, seen.errors]).toEqual([true, []]);
    expect(watching(etcd.live({ prefix: 'closed/' })).completed).toBe(true);
  });
});
