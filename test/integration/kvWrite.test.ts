import { describe, expect, test } from '@jest/globals';
import { put } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';

const fixture = withEtcd({ own: true });

describe('kv.put', () => {
  test('writes a key, and returns the revision of the write', async () => {
    const { kv } = fixture.etcd;
    const first = await only(kv.put('put/a', 'one'));
    const second = await only(kv.put('put/a', 'two'));
    expect(second.header.revision).toBe(first.header.revision + 1);
    expect(second.prevKv).toBeUndefined();
    expect((await only(kv.get('put/a')))?.toJSON()).toEqual({
      key: 'put/a',
      value: 'two',
      createRevision: first.header.revision,
      modRevision: second.header.revision,
      version: 2,
    });
  });

  test('fails if its key is undefined, as do all other writes, and nothing is changed', async () => {
    const { auth, kv, lease, lockService, namespace } = fixture.etcd;
    const { header } = await only(kv.put('put/undefined', 'kept'));
    // In plain JavaScript, a variable that is not set is undefined.
    const unset = undefined as never;
    for (const call of [
      kv.put('put/undefined', unset),
      kv.put(unset, 'a'),
      kv.delete({ from: 'put/undefined', to: unset }),
      kv.delete(unset),
      kv.txn({ success: [put('put/undefined', unset)] }),
      kv.compact(unset),
      lease.grant(unset),
      lease.revoke(unset),
      lease.keepAliveOnce(unset),
      lockService.lock(unset),
      namespace('put/').lockService.lock(unset),
      auth.roleAdd(unset),
      auth.userAdd(unset, { password: 'secret' }),
      auth.userDelete(unset),
    ])
      await failureWith('InvalidArgument', call);
    expect(await only(kv.get('put/undefined'))).toMatchObject({ value: 'kept', modRevision: header.revision });
    expect((await only(kv.range('put/undefined'))).header.revision).toBe(header.revision);
  });

  test('with prevKv returns the previous key-value, or undefined for a new key', async () => {
    const { kv } = fixture.etcd;
    expect((await only(kv.put('put/prev', 'one', { prevKv: true }))).prevKv).toBeUndefined();
    expect((await only(kv.put('put/prev', 'two', { prevKv: true }))).prevKv).toMatchObject({ key: 'put/prev', value: 'one', version: 1 });
  });

  test('attaches the key to a lease, keeps it with ignoreLease, and detaches it without', async () => {
    const { kv, lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    await only(kv.put('put/lease', 'one', { lease: id }));
    expect((await only(kv.get('put/lease')))?.lease).toBe(id);
    await only(kv.put('put/lease', 'two', { ignoreLease: true }));
    expect(await only(kv.get('put/lease'))).toMatchObject({ value: 'two', lease: id });
    await only(kv.put('put/lease', 'three'));
    expect((await only(kv.get('put/lease')))?.lease).toBeUndefined();
  });

  test('with ignoreValue changes only the lease', async () => {
    const { kv, lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    await only(kv.put('put/keep', 'the value'));
    const { prevKv } = await only(kv.put('put/keep', '', { ignoreValue: true, lease: id, prevKv: true }));
    expect(prevKv).toMatchObject({ value: 'the value', lease: undefined });
    expect(await only(kv.get('put/keep'))).toMatchObject({ value: 'the value', lease: id, version: 2 });
  });
});

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);

describe('keys and values of any bytes', () => {
  test.each([
    ['an empty value', 'bytes/empty', bytes()],
    ['NUL', bytes(0x62, 0, 0x61, 0), bytes(0, 0)],
    ['bytes that are not UTF-8', bytes(0xff, 0xfe, 0xc3), bytes(0xc3, 0x28, 0xa0)],
    ['every possible byte', everyByte, everyByte],
    ['a key of one zero byte', bytes(0), bytes(1)],
    ['characters of several bytes', 'bytes/ключ/🔑', new TextEncoder().encode('値🙂\u{feff}"\\')],
    ['a byte order mark', 'bytes/bom', bytes(0xef, 0xbb, 0xbf, 0x61)],
  ])('are returned unchanged: %s', async (_, key, value) => {
    const { kv } = fixture.etcd;
    await only(kv.put(key, value));
    const stored = await only(kv.get(key));
    expect(stored?.valueBytes).toEqual(value);
    expect(stored?.keyBytes).toEqual(typeof key === 'string' ? new TextEncoder().encode(key) : key);
    expect(await only(kv.delete({ key }, { prevKv: true }))).toMatchObject({ deleted: 1, prevKvs: [{ valueBytes: value }] });
  });

  test('that are not UTF-8 are read as text with replacement characters, and cause no error', async () => {
    const { kv } = fixture.etcd;
    await only(kv.put('bytes/text', bytes(0x61, 0xff, 0x62)));
    expect((await only(kv.get('bytes/text')))?.value).toBe('a\u{fffd}b');
  });

  test('that begin with a prefix ending in 0xff are found, and no others', async () => {
    const { kv } = fixture.etcd;
    for (const last of [0xfe, 0xff]) await only(kv.put(bytes(0x70, last, 1), 'x'));
    await only(kv.put(bytes(0x71), 'x'));
    const { kvs } = await only(kv.range({ prefix: bytes(0x70, 0xff) }));
    expect(kvs.map(({ keyBytes }) => keyBytes)).toEqual([bytes(0x70, 0xff, 1)]);
  });

  test('of a megabyte are returned whole', async () => {
    const { kv } = fixture.etcd;
    const value = new Uint8Array(1024 * 1024).map((_, index) => (index * 31) % 256);
    await only(kv.put('bytes/large', value));
    const found = (await only(kv.get('bytes/large')))?.valueBytes;
    expect([found?.length, found?.findIndex((byte, index) => byte !== value[index])]).toEqual([value.length, -1]);
  });
});

describe('kv.delete', () => {
  test('returns the number of deleted keys, and the keys with prevKv', async () => {
    const { kv } = fixture.etcd;
    for (const key of ['del/a', 'del/b', 'del/c', 'dem']) await only(kv.put(key, key));
    expect(await only(kv.delete('del/a'))).toMatchObject({ deleted: 1, prevKvs: [] });
    const { deleted, prevKvs } = await only(kv.delete({ prefix: 'del/' }, { prevKv: true }));
    expect(deleted).toBe(2);
    expect(prevKvs.map(({ key, value }) => [key, value])).toEqual([
      ['del/b', 'del/b'],
      ['del/c', 'del/c'],
    ]);
    expect(await only(kv.exists('dem'))).toBe(true);
  });

  test('of a missing key is no error', async () => {
    expect(await only(fixture.etcd.kv.delete('del/nothing', { prevKv: true }))).toMatchObject({ deleted: 0, prevKvs: [] });
  });
});

describe('kv.compact', () => {
  test('discards earlier history, and keeps the current state', async () => {
    const { kv } = fixture.etcd;
    const old = (await only(kv.put('compact/a', 'old'))).header.revision;
    const now = (await only(kv.put('compact/a', 'new'))).header.revision;
    expect((await only(kv.compact(now))).header.revision).toBe(now);
    expect(await failureWith('Compacted', kv.get('compact/a', { revision: old }))).toMatchObject({ code: 'OutOfRange', rpc: 'KV.Range' });
    expect((await only(kv.get('compact/a', { revision: now })))?.value).toBe('new');
  });

  test('with physical responds when it is done', async () => {
    const { kv } = fixture.etcd;
    const old = (await only(kv.put('compact/b', 'old'))).header.revision;
    const now = (await only(kv.put('compact/b', 'new'))).header.revision;
    expect((await only(kv.compact(now, { physical: true }))).header.revision).toBe(now);
    await failureWith('Compacted', kv.get('compact/b', { revision: old }));
  });
});
