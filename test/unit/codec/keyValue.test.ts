import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as t from 'io-ts';
import { inspect } from 'node:util';
import { KeyValueCodec } from '../../../src/codec/common.js';
import { DeleteRangeResponse, RangeResponse } from '../../../src/codec/kv.js';
import { EventCodec } from '../../../src/codec/watch.js';
import { INVALID } from '../../../src/codec/descriptors.js';
import type { KeyValue } from '../../../src/model/keyValue.js';
import { sent } from './sent.js';

const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes as string).toString('base64');

function read(json: unknown): KeyValue {
  const kv = KeyValueCodec.read(json);
  if (kv === INVALID) throw new Error('it was refused');
  return kv;
}

const wire = {
  key: base64('app/color'),
  create_revision: '3',
  mod_revision: '12',
  version: '4',
  value: base64('{"color":"red"}'),
  lease: '7587869404026273798',
};

describe('a key-value pair', () => {
  it('has text, bytes, revisions and the lease', () => {
    const kv = read(wire);
    expect([kv.key, kv.value]).toEqual(['app/color', '{"color":"red"}']);
    expect([kv.createRevision, kv.modRevision, kv.version, kv.lease]).toEqual([3, 12, 4, '7587869404026273798']);
  });

  it('has no lease if the wire has 0 or no field', () => {
    expect(read({ key: base64('a') }).lease).toBeUndefined();
    expect(read({ key: base64('a'), lease: '0' }).lease).toBeUndefined();
  });

  it.each(['create_revision', 'mod_revision', 'version'])('has no negative %s', (field) => {
    for (const negative of ['-1', '-9007199254740991', -1]) {
      expect(KeyValueCodec.read({ ...wire, [field]: negative })).toBe(INVALID);
      expect(KeyValueCodec.explain({ ...wire, [field]: negative }, [])).toHaveLength(1);
      expect(EventCodec.read({ kv: { ...wire, [field]: negative } })).toBe(INVALID);
      expect(RangeResponse.read({ kvs: [wire, { ...wire, [field]: negative }] })).toBe(INVALID);
    }
  });

  it('rejects a negative number', () => {
    expect(RangeResponse.read({ count: '-1' })).toBe(INVALID);
    expect(DeleteRangeResponse.read({ deleted: '-1' })).toBe(INVALID);
  });

  it('contains any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (key, value) => {
        const kv = read({ key: base64(key), value: base64(value) });
        expect(kv.keyBytes).toEqual(key);
        expect(kv.valueBytes).toEqual(value);
        expect(kv.value).toBe(Buffer.from(value).toString('utf8'));
      }),
    );
  });

  it('decodes text as UTF-8, including a byte order mark', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => expect(read({ value: base64(text) }).value).toBe(text)));
    expect(read({ value: base64('\ufeffa') }).value).toBe('\ufeffa');
    expect(read({ value: base64(new Uint8Array([0xff, 0x41])) }).value).toBe('\ufffdA');
  });

  it('returns fresh bytes that own their memory: changing them changes nothing', () => {
    const kv = read(wire);
    const bytes = kv.valueBytes;
    expect(bytes.buffer.byteLength).toBe(bytes.length);
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    bytes.fill(0);
    expect(kv.value).toBe('{"color":"red"}');
    expect(kv.valueBytes).not.toEqual(bytes);
  });

  it('returns the same text each time', () => {
    const kv = read(wire);
    expect(kv.value).toBe(kv.value);
    expect(kv.key).toBe(kv.key);
  });

  it('serialises and prints as text', () => {
    const shown = {
      key: 'app/color',
      value: '{"color":"red"}',
      createRevision: 3,
      modRevision: 12,
      version: 4,
      lease: '7587869404026273798',
    };
    expect(JSON.parse(JSON.stringify(read(wire)))).toEqual(shown);
    expect(inspect(read(wire))).toBe(inspect(shown));
    expect(inspect(read({ key: base64('a') }))).toBe(inspect({ key: 'a', value: '', createRevision: 0, modRevision: 0, version: 0 }));
  });

  it('is decoded as it was encoded', () => {
    const kv = read(wire);
    const back = KeyValueCodec.read(sent(KeyValueCodec.write(kv)));
    expect(back).toEqual(kv);
    expect(sent(KeyValueCodec.write(read({ key: 'QQ==' })))).not.toHaveProperty('lease');
  });

  it('decodes its JSON with a codec', () => {
    const Config = t.type({ color: t.string });
    expect(read(wire).json(Config)).toEqual({ _tag: 'Right', right: { color: 'red' } });
    const wrong = read({ ...wire, value: base64('{"color":12345}') }).json(Config);
    expect(wrong).toMatchObject({
      _tag: 'Left',
      left: { reason: 'InvalidValue', key: 'app/color', failures: ['color: expected string, received number'] },
    });
  });

  it('reports a value that is not JSON without showing it', () => {
    const result = read({ ...wire, value: base64('hunter2 is my password') }).json(t.unknown);
    if (result._tag === 'Right') throw new Error('it was taken for JSON');
    expect(result.left.failures).toEqual(['it is not JSON']);
    expect(inspect(result.left, { depth: 5 })).not.toContain('hunter2');
  });
});
