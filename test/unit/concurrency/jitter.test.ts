import { describe, expect, test } from '@jest/globals';
import { createTestEtcd, type TestEtcd } from '../../../src/testing/index.js';
import { record, runInVirtualTime } from './support.js';

const PAUSE_MS = 1_000;

/** Creates a client whose pauses have no random part. */
const steady = (): TestEtcd =>
  createTestEtcd({
    client: {
      retry: { maxAttempts: 1, initialBackoffMs: 1, maxBackoffMs: 1 },
      streams: { initialBackoffMs: PAUSE_MS, maxBackoffMs: 60 * PAUSE_MS, jitter: 0 },
    },
  });

describe('with `streams.jitter` at 0, pauses have no random part', () => {
  test('before another lease is granted', () => {
    runInVirtualTime((time) => {
      const { etcd, server } = steady();
      const at: number[] = [];
      etcd.diagnostics$.subscribe((event) => {
        const isLost = event.type === 'leaseLost' || (event.type === 'attemptFailed' && event.rpc === 'Lease.LeaseGrant');
        if (isLost) at.push(time.now());
      });
      record(time, etcd.lease({ ttl: 10, onLost: 'regrant' }));
      time.at(PAUSE_MS, () => server.disconnect());
      time.at(30_000, () => void etcd.close());
      time.flush();
      expect(at.slice(1).map((end, index) => end - (at[index] ?? NaN))).toEqual([1, 2, 4, 8].map((count) => count * PAUSE_MS));
    });
  });

  test('before a lock is acquired again', () => {
    runInVirtualTime((time) => {
      const { etcd, server } = steady();
      const recording = record(time, etcd.lock('a', { onLost: 'reacquire' }));
      time.at(PAUSE_MS, () => server.delete({ prefix: 'a/' }));
      time.at(10_000, () => void etcd.close());
      time.flush();
      expect(recording.events).toMatchObject([
        { at: 0, event: { type: 'owned' } },
        { at: PAUSE_MS, event: { type: 'lost' } },
        { at: 2 * PAUSE_MS, event: { type: 'owned' } },
      ]);
    });
  });
});
