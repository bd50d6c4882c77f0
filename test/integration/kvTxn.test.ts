import { beforeAll, describe, expect, test } from '@jest/globals';
import { del, get, key, put, range, txn, type Compare, type LeaseId } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';

const fixture = withEtcd({ own: true });
const seen = { created: 0, modified: 0, lease: '' as LeaseId };

/** Returns which branch runs under these conditions. */
const holds = async (...compare: Compare[]): Promise<boolean> => (await only(fixture.etcd.kv.txn({ compare }))).succeeded;

beforeAll(async () => {
  const { kv, lease } = fixture.etcd;
  seen.lease = (await only(lease.grant(60, { id: '4242' as LeaseId }))).id;
  seen.created = (await only(kv.put('txn/k', 'l'))).header.revision;
  seen.modified = (await only(kv.put('txn/k', 'm', { lease: seen.lease }))).header.revision;
});

interface Target {
  readonly name: string;
  readonly compare: (result: 'equals' | 'notEquals' | 'greater' | 'less', than: 'below' | 'same' | 'above') => Compare;
}

const numeric = (target: 'version' | 'createRevision' | 'modRevision', actual: () => number): Target => ({
  name: target,
  compare: (result, than) => key('txn/k')[target][result](actual() + { below: -1, same: 0, above: 1 }[than]),
});

const targets: readonly Target[] = [
  numeric('version', () => 2),
  numeric('createRevision', () => seen.created),
  numeric('modRevision', () => seen.modified),
  { name: 'value', compare: (result, than) => key('txn/k').value[result]({ below: 'l', same: 'm', above: 'n' }[than]) },
  { name: 'lease', compare: (result, than) => key('txn/k').lease[result]({ below: '4241', same: '4242', above: '4243' }[than] as LeaseId) },
];

describe('the compares of kv.txn', () => {
  test.each(targets)('$name: equals, notEquals, greater and less hold exactly when they should', async ({ compare }) => {
    const table = {
      equals: [false, true, false],
      notEquals: [true, false, true],
      greater: [true, false, false],
      less: [false, false, true],
    } as const;
    for (const result of ['equals', 'notEquals', 'greater', 'less'] as const) {
      const actual = [await holds(compare(result, 'below')), await holds(compare(result, 'same')), await holds(compare(result, 'above'))];
      expect([result, ...actual]).toEqual([result, ...table[result]]);
    }
  });

  test('must all hold, and hold if there are none', async () => {
    expect(await holds()).toBe(true);
    expect(await holds(key('txn/k').exists(), key('txn/none').missing())).toBe(true);
    expect(await holds(key('txn/k').exists(), key('txn/none').exists())).toBe(false);
    expect(await holds(key('txn/k').missing())).toBe(false);
  });

  test('on a range must hold for every key in it', async () => {
    const { kv } = fixture.etcd;
    for (const name of ['a', 'b']) await only(kv.put(`txn/range/${name}`, 'same'));
    const every = key({ prefix: 'txn/range/' });
    expect(await holds(every.value.equals('same'))).toBe(true);
    await only(kv.put('txn/range/b', 'other'));
    expect(await holds(every.value.equals('same'))).toBe(false);
    expect(await holds(every.createRevision.greater(0))).toBe(true);
    expect(await holds(key({ from: 'txn/range/a', to: 'txn/range/b' }).value.equals('same'))).toBe(true);
  });

  test('on values compare bytes', async () => {
    await only(fixture.etcd.kv.put('txn/bytes', Uint8Array.of(0xff, 0)));
    expect(await holds(key('txn/bytes').value.equals(Uint8Array.of(0xff, 0)))).toBe(true);
    expect(await holds(key('txn/bytes').value.equals(Uint8Array.of(0xff)))).toBe(false);
  });
});

describe('the results of kv.txn', () => {
  test('match the operations of the branch that ran', async () => {
    const { kv } = fixture.etcd;
    const createOrRead = kv.txn({
      compare: [key('txn/new').missing()],
      success: [put('txn/new', '1'), get('txn/new')],
      failure: [get('txn/new')],
    });

    const created = await only(createOrRead);
    if (!created.succeeded) throw new Error('the key was there before');
    const [putAnswer, read] = created.responses;
    expect(putAnswer.prevKv).toBeUndefined();
    expect(read).toMatchObject({ value: '1', modRevision: created.header.revision });

    const found = await only(createOrRead);
    if (found.succeeded) throw new Error('the key was created twice');
    expect(found.responses[0]?.value).toBe('1');
    expect(found.header.revision).toBe(created.header.revision);
  });

  test('include each kind of operation, with its options, all at one revision', async () => {
    const { kv } = fixture.etcd;
    for (const name of ['a', 'b', 'c']) await only(kv.put(`txn/all/${name}`, `old ${name}`));
    const result = await only(
      kv.txn({
        success: [
          put('txn/all/a', 'new a', { prevKv: true, lease: seen.lease }),
          get('txn/all/a'),
          get('txn/all/none'),
          range({ prefix: 'txn/all/' }, { limit: 2, sortOrder: 'DESCEND', keysOnly: true }),
          del({ from: 'txn/all/b', to: 'txn/all/d' }, { prevKv: true }),
          range({ prefix: 'txn/all/' }, { countOnly: true }),
        ],
      }),
    );
    if (!result.succeeded) throw new Error('without a compare a txn succeeds');
    const [written, read, missing, ranged, deleted, counted] = result.responses;
    expect(written.prevKv?.value).toBe('old a');
    expect(read).toMatchObject({ value: 'new a', lease: seen.lease, modRevision: result.header.revision });
    expect(missing).toBeUndefined();
    expect(ranged.kvs.map(({ key: name, value }) => [name, value])).toEqual([
      ['txn/all/c', ''],
      ['txn/all/b', ''],
    ]);
    expect(ranged).toMatchObject({ more: true, count: 3 });
    expect(deleted.deleted).toBe(2);
    expect(deleted.prevKvs.map(({ value }) => value)).toEqual(['old b', 'old c']);
    expect(counted.count).toBe(1);
  });

  test('include those of txns nested twice', async () => {
    const { kv } = fixture.etcd;
    const outer = await only(
      kv.txn({
        success: [
          put('txn/nested/a', '1'),
          txn({
            compare: [key('txn/k').missing()],
            success: [put('txn/nested/never', '!')],
            failure: [put('txn/nested/b', '2'), txn({ compare: [key('txn/k').exists()], success: [get('txn/k')] })],
          }),
        ],
      }),
    );
    if (!outer.succeeded) throw new Error('without a compare a txn succeeds');
    const inner = outer.responses[1];
    if (inner.succeeded) throw new Error('the inner compare does not hold');
    const innermost = inner.responses[1];
    if (!innermost.succeeded) throw new Error('the innermost compare holds');
    expect(innermost.responses[0]?.value).toBe('m');
    expect(outer.header.revision).toBe((await only(kv.get('txn/nested/b')))?.modRevision);
    expect([inner.header, innermost.header]).toEqual([outer.header, outer.header]);
    expect(inner.responses[0].header.revision).toBe(outer.header.revision);
    expect(await only(kv.count({ prefix: 'txn/nested/' }))).toBe(2);
  });

  test('are empty for a branch without operations', async () => {
    const empty = await only(fixture.etcd.kv.txn({ compare: [key('txn/k').missing()], success: [put('txn/k', 'x')] }));
    expect(empty).toMatchObject({ succeeded: false, responses: [] });
    expect((await only(fixture.etcd.kv.get('txn/k')))?.value).toBe('m');
  });

  test('include up to 128 operations', async () => {
    const success = Array.from({ length: 128 }, (_, index) => put(`txn/many/${index}`, String(index)));
    const result = await only(fixture.etcd.kv.txn({ success }));
    expect(result.responses).toHaveLength(128);
    expect(await only(fixture.etcd.kv.count({ prefix: 'txn/many/' }))).toBe(128);
  });
});
