import { describe, expect, it } from '@jest/globals';
import { EventCodec, WatchRequest, WatchResponse } from '../../../src/codec/watch.js';
import { INVALID } from '../../../src/codec/descriptors.js';
import { failuresOf } from '../../../src/model/validator.js';
import { sent } from './sent.js';

const kv = { key: 'YQ==', mod_revision: '5', create_revision: '2', version: '2', value: 'Yg==' };

function failures(input: unknown): string[] {
  const decoded = WatchResponse.decode(input);
  return decoded._tag === 'Left' ? failuresOf(decoded.left) : [];
}

describe('a watch request', () => {
  it("has exactly one part with etcd's names", () => {
    const createRequest = { key: 'a', startRevision: 7, filters: ['NODELETE'], prevKv: true, watchId: 3, fragment: true } as const;
    expect(sent(WatchRequest.write({ createRequest }))).toEqual({
      create_request: { key: 'YQ==', start_revision: '7', filters: ['NODELETE'], prev_kv: true, watch_id: '3', fragment: true },
    });
    expect(sent(WatchRequest.write({ cancelRequest: { watchId: 3 } }))).toEqual({ cancel_request: { watch_id: '3' } });
    expect(sent(WatchRequest.write({ progressRequest: {} }))).toEqual({ progress_request: {} });
  });
});

describe('a watch response', () => {
  it('decodes a put, whose type the wire omits, and a delete', () => {
    const response = WatchResponse.read({
      watch_id: '1',
      events: [{ kv }, { type: 'DELETE', kv: { key: 'YQ==', mod_revision: '6' }, prev_kv: kv }],
    });
    if (response === INVALID) throw new Error('it was refused');
    const [put, deleted] = response.events;
    expect(put).toMatchObject({ type: 'put', revision: 5, kv: { key: 'a', value: 'b' } });
    expect(put).not.toHaveProperty('prevKv');
    expect(deleted).toMatchObject({ type: 'delete', revision: 6, kv: { key: 'a', value: '' }, prevKv: { modRevision: 5 } });
  });

  it('decodes the number of a type, and null for a missing prev_kv', () => {
    expect(EventCodec.read({ type: 1, kv, prev_kv: null })).toEqual({ type: 'delete', kv: expect.anything(), revision: 5 });
    expect(EventCodec.read({ type: 0, kv, prev_kv: kv })).toMatchObject({ type: 'put', prevKv: { key: 'a' } });
  });

  it('decodes progress, a cancellation and a compaction', () => {
    expect(WatchResponse.read({ watch_id: '-1', header: { revision: '9' } })).toMatchObject({
      watchId: -1,
      created: false,
      events: [],
      header: { revision: 9 },
    });
    expect(WatchResponse.read({ created: true, canceled: true, watch_id: '-1', cancel_reason: 'no' })).toMatchObject({
      created: true,
      canceled: true,
      cancelReason: 'no',
    });
    expect(WatchResponse.read({ canceled: true, compact_revision: '4', header: {} })).toMatchObject({ compactRevision: 4 });
  });

  it('is rejected with the path of the fault', () => {
    expect(failures({ events: [{ kv }, { type: 'MOVE', kv }] })).toEqual([
      'events.1.type: expected EventType (PUT, DELETE), received string',
    ]);
    expect(failures({ events: [{ kv, prev_kv: { lease: 'x' } }] })).toEqual(['events.0.prev_kv.lease: expected LeaseId, received string']);
    expect(failures({ events: [5] })).toEqual(['events.0: expected Event, received number']);
  });

  it('is rejected if an event has no key', () => {
    expect(failures({ events: [{ type: 'PUT' }] })).toEqual(['events.0.kv: expected KeyValue, received nothing']);
    expect(failures({ events: [{ kv: null }] })).toEqual(['events.0.kv: expected KeyValue, received null']);
  });

  it('is encoded as it was decoded', () => {
    const event = { type: 'DELETE', kv: { ...kv }, prev_kv: { ...kv } };
    const read = EventCodec.read(event);
    if (read === INVALID) throw new Error('it was refused');
    expect(sent(EventCodec.write(read))).toEqual(event);
  });
});
