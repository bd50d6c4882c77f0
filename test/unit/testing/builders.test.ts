import { describe, expect, test } from '@jest/globals';
import { deepStrictEqual, notDeepStrictEqual } from 'node:assert';
import { leaseId } from '../../../src/model/ids.js';
import { KeyValue } from '../../../src/model/keyValue.js';
import { toBase64 } from '../../../src/model/bytes.js';
import { batch, deleteEvent, keyValue, putEvent } from '../../../src/testing/builders.js';
import { failure } from '../transport/support.js';

describe('the builders of keys and events', () => {
  test('fill in fields that a test does not need', () => {
    expect(keyValue({ key: 'a' }).toJSON()).toEqual({ key: 'a', value: '', createRevision: 1, modRevision: 1, version: 1 });
    expect(keyValue({ key: 'a', modRevision: 7 }).toJSON()).toMatchObject({ createRevision: 7, modRevision: 7, version: 1 });
    expect(keyValue({ key: 'a', value: Uint8Array.of(104, 105), modRevision: 7, version: 3, lease: leaseId(5) }).toJSON()).toEqual({
      key: 'a',
      value: 'hi',
      createRevision: 1,
      modRevision: 7,
      version: 3,
      lease: '5',
    });
  });

  test('make events as a watch has them', () => {
    const put = putEvent({ key: 'a', value: '2', modRevision: 5, prevKv: { value: '1' } });
    expect(put).toEqual({
      type: 'put',
      revision: 5,
      kv: keyValue({ key: 'a', value: '2', modRevision: 5 }),
      prevKv: keyValue({ key: 'a', value: '1' }),
    });
    const deleted = deleteEvent({ key: 'a', modRevision: 6, prevKv: put.kv });
    expect(deleted).toEqual({
      type: 'delete',
      revision: 6,
      kv: keyValue({ key: 'a', createRevision: 0, modRevision: 6, version: 0 }),
      prevKv: put.kv,
    });
    expect('prevKv' in putEvent({ key: 'a' })).toBe(false);
  });

  test('make a batch of one revision only', () => {
    const events = [putEvent({ key: 'a' }), deleteEvent({ key: 'b' })] as const;
    expect(batch(...events)).toEqual({ type: 'events', revision: 1, events });
    expect(failure(() => batch(events[0], putEvent({ key: 'c', modRevision: 2 })))).toMatchObject({ reason: 'InvalidArgument' });
  });

  test('make pairs that are deeply equal to those of a server, decoded or not', () => {
    const received = new KeyValue({
      key64: toBase64('a'),
      value64: toBase64('1'),
      createRevision: 3,
      modRevision: 3,
      version: 1,
      lease: undefined,
    });
    expect(received.key + received.value).toBe('a1');
    const built = keyValue({ key: 'a', value: '1', modRevision: 3 });
    expect(built).toStrictEqual(received);
    deepStrictEqual(built, received);
    for (const fields of [{ key: 'b' }, { value: '2' }, { modRevision: 4 }, { version: 2 }, { lease: leaseId(1) }]) {
      const other = keyValue({ key: 'a', value: '1', modRevision: 3, ...fields });
      expect(other).not.toEqual(received);
      notDeepStrictEqual(other, received);
    }
  });

  test('make pairs that are deeply equal to those of a namespace, whatever the length of its prefix', () => {
    for (const prefix of ['a', 'ab', 'app', 'app/', 'ä', '日本']) {
      for (const key of ['', 'c', 'co', 'color', 'größe', '\0']) {
        const inside = keyValue({ key: prefix + key, value: '1' }).withoutPrefix(new TextEncoder().encode(prefix).length);
        expect(inside.key).toBe(key);
        expect(inside).toStrictEqual(keyValue({ key, value: '1' }));
        deepStrictEqual(inside, keyValue({ key, value: '1' }));
      }
    }
  });
});
