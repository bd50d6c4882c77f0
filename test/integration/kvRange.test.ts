import { beforeAll, describe, expect, test } from '@jest/globals';
import type { RangeOptions, RangeResponse } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';

const fixture = withEtcd({ own: true });
const prefix = { prefix: 'range/' };
const keysOf = ({ kvs }: RangeResponse): string[] => kvs.map(({ key }) => key.slice('range/'.length));
const keys = async (options: RangeOptions): Promise<string[]> => keysOf(await only(fixture.etcd.kv.range(prefix, options)));

/** The revision of each put of the set-up, in order. */
const revisions: number[] = [];
const revision = (index: number): number => revisions[index] ?? NaN;

beforeAll(async () => {
  // By key: a b c d; by creation: c a d b; by change: c d b a; by version: d(1) b(1) c(2) a(3); by value: a:1 d:2 c:3 b:4
  const puts = [
    ['c', '9'],
    ['a', '8'],
    ['a', '7'],
    ['c', '3'],
    ['d', '2'],
    ['b', '4'],
    ['a', '1'],
  ] as const;
  for (const [key, value] of puts) revisions.push((await only(fixture.etcd.kv.put(`range/${key}`, value))).header.revision);
});

describe('kv.range', () => {
  test('returns the keys of a prefix with values, revisions, version and count, and a header', async () => {
    const answer = await only(fixture.etcd.kv.range(prefix));
    expect(answer.count).toBe(4);
    expect(answer.more).toBe(false);
    expect(answer.header.revision).toBe(revision(6));
    expect(answer.header.clusterId).toMatch(/^[1-9]\d*$/);
    expect(answer.header.memberId).toMatch(/^[1-9]\d*$/);
    expect(answer.header.raftTerm).toBeGreaterThan(0);
    expect(answer.kvs.map((kv) => kv.toJSON())).toEqual([
      { key: 'range/a', value: '1', createRevision: revision(1), modRevision: revision(6), version: 3 },
      { key: 'range/b', value: '4', createRevision: revision(5), modRevision: revision(5), version: 1 },
      { key: 'range/c', value: '3', createRevision: revision(0), modRevision: revision(3), version: 2 },
      { key: 'range/d', value: '2', createRevision: revision(4), modRevision: revision(4), version: 1 },
    ]);
  });

  test('accepts a key, an interval, all keys from one on, and all keys', async () => {
    const { kv } = fixture.etcd;
    expect(keysOf(await only(kv.range('range/b')))).toEqual(['b']);
    expect(keysOf(await only(kv.range({ key: 'range/b' })))).toEqual(['b']);
    expect(keysOf(await only(kv.range({ from: 'range/b', to: 'range/d' })))).toEqual(['b', 'c']);
    expect(keysOf(await only(kv.range({ from: 'range/c' })))).toEqual(['c', 'd']);
    expect((await only(kv.range({ all: true }))).count).toBe(4);
  });

  test('with a limit reports that there is more, and counts all keys', async () => {
    const answer = await only(fixture.etcd.kv.range(prefix, { limit: 3 }));
    expect(keysOf(answer)).toEqual(['a', 'b', 'c']);
    expect(answer).toMatchObject({ more: true, count: 4 });
    expect((await only(fixture.etcd.kv.range(prefix, { limit: 4 }))).more).toBe(false);
    expect((await only(fixture.etcd.kv.range(prefix, { limit: 0 }))).kvs).toHaveLength(4);
  });

  test('at a revision returns the state of that revision', async () => {
    const then = await only(fixture.etcd.kv.range(prefix, { revision: revision(2) }));
    expect(then.kvs.map(({ key, value }) => [key, value])).toEqual([
      ['range/a', '7'],
      ['range/c', '9'],
    ]);
    expect(then.header.revision).toBe(revision(6));
  });

  test.each([
    ['KEY', ['a', 'b', 'c', 'd']],
    ['VALUE', ['a', 'd', 'c', 'b']],
    ['CREATE', ['c', 'a', 'd', 'b']],
    ['MOD', ['c', 'd', 'b', 'a']],
  ] as const)('sorts by %s, ascending and descending', async (sortTarget, ascending) => {
    expect(await keys({ sortTarget, sortOrder: 'ASCEND' })).toEqual(ascending);
    expect(await keys({ sortTarget, sortOrder: 'DESCEND' })).toEqual([...ascending].reverse());
  });

  test('sorts by VERSION, ascending and descending', async () => {
    // b and d have the same version: their relative order is undefined.
    const up = await keys({ sortTarget: 'VERSION', sortOrder: 'ASCEND' });
    expect(up.slice(0, 2).sort()).toEqual(['b', 'd']);
    expect(up.slice(2)).toEqual(['c', 'a']);
    expect((await keys({ sortTarget: 'VERSION', sortOrder: 'DESCEND' })).slice(0, 2)).toEqual(['a', 'c']);
  });

  test('accepts the sort order none, and applies the limit after sorting', async () => {
    expect(await keys({ sortOrder: 'NONE', sortTarget: 'KEY' })).toEqual(['a', 'b', 'c', 'd']);
    expect(await keys({ sortTarget: 'MOD', sortOrder: 'DESCEND', limit: 1 })).toEqual(['a']);
  });

  test('filters by inclusive bounds on the revisions of the last change and of the creation', async () => {
    expect(await keys({ minModRevision: revision(4) })).toEqual(['a', 'b', 'd']);
    expect(await keys({ maxModRevision: revision(4) })).toEqual(['c', 'd']);
    expect(await keys({ minModRevision: revision(4), maxModRevision: revision(5) })).toEqual(['b', 'd']);
    expect(await keys({ minCreateRevision: revision(4) })).toEqual(['b', 'd']);
    expect(await keys({ maxCreateRevision: revision(1) })).toEqual(['a', 'c']);
    expect(await keys({ minCreateRevision: revision(1), maxCreateRevision: revision(4) })).toEqual(['a', 'd']);
  });

  test('omits the values with keysOnly, and the keys as well with countOnly', async () => {
    const named = await only(fixture.etcd.kv.range(prefix, { keysOnly: true }));
    expect(keysOf(named)).toEqual(['a', 'b', 'c', 'd']);
    expect(named.kvs.every(({ valueBytes }) => valueBytes.length === 0)).toBe(true);
    expect(await only(fixture.etcd.kv.range(prefix, { countOnly: true }))).toMatchObject({ kvs: [], count: 4, more: false });
  });

  test('reads serializably from one member', async () => {
    expect(await keys({ serializable: true })).toEqual(['a', 'b', 'c', 'd']);
  });

  test('of an empty range returns an empty response', async () => {
    expect(await only(fixture.etcd.kv.range({ prefix: 'nothing/' }))).toMatchObject({ kvs: [], count: 0, more: false });
  });

  test('rejects an invalid range or option before anything is sent', async () => {
    const { kv } = fixture.etcd;
    await failureWith('InvalidArgument', kv.range({ prefix: '' }));
    await failureWith('InvalidArgument', kv.range({ key: '' }));
    // @ts-expect-error there is no such order
    await failureWith('InvalidArgument', kv.range(prefix, { sortOrder: 'SIDEWAYS' }));
    // @ts-expect-error there is no such option
    await failureWith('InvalidArgument', kv.range(prefix, { limits: 3 }));
    await failureWith('InvalidArgument', kv.range(prefix, { limit: 1.5 }));
  });
});

describe('kv.get, kv.exists and kv.count', () => {
  test('return the key, whether it exists, and the number of keys', async () => {
    const { kv } = fixture.etcd;
    expect((await only(kv.get('range/a')))?.value).toBe('1');
    expect(await only(kv.get('range/x'))).toBeUndefined();
    expect(await only(kv.exists('range/a'))).toBe(true);
    expect(await only(kv.exists('range/x'))).toBe(false);
    expect(await only(kv.count(prefix))).toBe(4);
    expect(await only(kv.count({ prefix: 'nothing/' }))).toBe(0);
  });

  test('read at an earlier revision, and serializably', async () => {
    const { kv } = fixture.etcd;
    expect((await only(kv.get('range/a', { revision: revision(1), serializable: true })))?.value).toBe('8');
    expect(await only(kv.exists('range/b', { revision: revision(1) }))).toBe(false);
    expect(await only(kv.exists('range/a', { revision: revision(1), serializable: true }))).toBe(true);
    expect(await only(kv.count(prefix, { revision: revision(1), serializable: true }))).toBe(2);
  });
});
