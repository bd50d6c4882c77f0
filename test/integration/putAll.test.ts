import { expect, test } from '@jest/globals';
import { isPutAllError, putAll, type PutEntry } from 'rxetcd/operators';
import { from, materialize, take, toArray } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { all, only } from './support/outcomes.js';

const fixture = withEtcd({ own: true, args: ['--max-txn-ops', '150'] });

/** Returns this many entries of fewer keys, each with a unique value. */
function* entriesOf(count: number, keys: number, prefix: string): Generator<PutEntry> {
  for (let n = 0; n < count; n++) yield { key: `${prefix}${(n * 7919) % keys}`, value: `${n}` };
}

test.each(['pulled from a generator', 'pushed by an Observable'])(
  '10 000 entries of 3 000 keys are all written, in order, at the reported revisions: %s',
  async (way) => {
    const { kv, watch } = fixture.etcd;
    const prefix = `bulk/${way}/`;
    const entries = [...entriesOf(10_000, 3_000, prefix)];
    const results = await all(way.startsWith('pulled') ? putAll(kv, entriesOf(10_000, 3_000, prefix)) : from(entries).pipe(putAll(kv)));
    const reported = new Map(results.map((result) => [result.revision, result.entries]));
    expect(reported.size).toBe(results.length);
    expect(Math.max(...results.map((result) => result.entries.length))).toBe(128);

    const events = await only(watch({ prefix }, { startRevision: Math.min(...reported.keys()) }).pipe(take(10_000), toArray()));
    const written = new Map<number, PutEntry[]>();
    for (const { kv: found, revision } of events)
      written.set(revision, [...(written.get(revision) ?? []), { key: found.key, value: found.value }]);
    expect(written).toEqual(new Map([...reported].sort(([a], [b]) => a - b)));
    const valuesOf = (key: string, list: readonly PutEntry[]) => list.filter((one) => one.key === key).map(({ value }) => value);
    const inStore = [...written.values()].flat();
    for (const key of [0, 1, 1_500, 2_999].map((n) => `${prefix}${n}`)) expect(valuesOf(key, inStore)).toEqual(valuesOf(key, entries));
    expect(await only(kv.count({ prefix }))).toBe(3_000);
  },
);

test('entries that exceed a request together are written within the limit of the server', async () => {
  const { kv } = fixture.etcd;
  const value = 'ü'.repeat(20_000);
  const entries = Array.from({ length: 100 }, (_, n) => ({ key: `large/${n}`, value }));
  const results = await all(putAll(kv, entries));
  expect(results.length).toBeGreaterThanOrEqual(4);
  expect(await only(kv.count({ prefix: 'large/' }))).toBe(100);
});

test('putAll works in a namespace and under a lease', async () => {
  const { lease, namespace } = fixture.etcd;
  const { id } = await only(lease.grant(60));
  const { kv } = namespace('within/');
  await all(putAll(kv, [{ key: 'a', value: new Uint8Array([0xff, 0]), lease: id }]));
  const found = await only(fixture.etcd.kv.get('within/a'));
  expect(found).toMatchObject({ lease: id, valueBytes: new Uint8Array([0xff, 0]) });
});

test.each<[string, readonly PutEntry[], object, object]>([
  [
    'a txn of too many',
    [...entriesOf(151, 151, 'many/')],
    { maxOps: 151, concurrency: 1 },
    { reason: 'TooManyOps', written: 0, unwritten: 151 },
  ],
  [
    'an entry that no request can hold',
    [
      { key: 'huge/a', value: '1' },
      { key: 'huge/b', value: 'x'.repeat(1_600_000) },
      { key: 'huge/c', value: '1' },
    ],
    { concurrency: 1 },
    { reason: 'RequestTooLarge', written: 1, unwritten: 2 },
  ],
])('%s is rejected, and the error names the entries that were not written', async (_, entries, config, outcome) => {
  const { kv } = fixture.etcd;
  const notes = await all(putAll(kv, entries, config).pipe(materialize()));
  const error = notes.map((note) => (note.kind === 'E' ? (note.error as unknown) : undefined)).find((one) => one !== undefined);
  if (!isPutAllError(error)) throw error;
  const written = notes.flatMap((note) => (note.kind === 'N' ? note.value.entries : []));
  expect({ reason: error.reason, written: written.length, unwritten: error.unwritten.length }).toEqual(outcome);
  expect([...written, ...error.unwritten]).toEqual(entries);
  expect(error.ambiguous).toEqual([]);
  for (const { key } of error.unwritten) expect(await only(kv.exists(key))).toBe(false);
});

test('closing the client meanwhile reports each entry that was not written', async () => {
  const etcd = fixture.client();
  const taken: PutEntry[] = [];
  function* endless(): Generator<PutEntry> {
    for (const entry of entriesOf(Infinity, 1_000, 'closing/')) {
      taken.push(entry);
      yield entry;
    }
  }
  const notes: PutEntry[] = [];
  let batches = 0;
  const error = await new Promise<unknown>((resolve) => {
    putAll(etcd.kv, endless()).subscribe({
      next: ({ entries }) => {
        notes.push(...entries);
        if (++batches === 20) void etcd.close();
      },
      error: resolve,
    });
  });
  if (!isPutAllError(error)) throw error;
  // Sometimes all running txns have just ended, and none of the next has been sent.
  expect(error.reason).toBe(error.ambiguous.length > 0 ? 'AmbiguousWrite' : 'ClientClosed');
  expect([...notes, ...error.ambiguous, ...error.unwritten].sort((a, b) => Number(a.value) - Number(b.value))).toEqual(taken);
});
