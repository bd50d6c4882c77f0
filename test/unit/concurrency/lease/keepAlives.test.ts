import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, switchMap, timer } from 'rxjs';
import { KeepAlives } from '../../../../src/concurrency/lease/keepAlives.js';
import { LeaseKeeper } from '../../../../src/concurrency/lease/leaseKeeper.js';
import { now } from '../../../../src/util/time.js';
import { leaseId, type LeaseId } from '../../../../src/model/ids.js';
import type { LeaseRpcs } from '../../../../src/services/lease.js';
import type { Caller } from '../../../../src/transport/call.js';
import { createTestEtcd } from '../../../../src/testing/index.js';
import { contextWith, FakeStreams, refreshBy, SETTINGS } from '../../../support/fakes/fakeKeepAlives.js';
import { ID, OTHER, record, runInVirtualTime, type VirtualTime } from '../support.js';

interface Scene {
  readonly time: VirtualTime;
  readonly streams: FakeStreams;
  /** The service for unary calls. */
  readonly lease: LeaseRpcs;
  readonly keepAlives: KeepAlives;
}

function scene(test: (scene: Scene) => void): void {
  runInVirtualTime((time) => {
    const streams = new FakeStreams();
    const lease = createTestEtcd({ latencyMs: 0.5 }).etcd.lease as LeaseRpcs;
    test({ time, streams, lease, keepAlives: new KeepAlives(streams.caller as Caller, lease, SETTINGS) });
  });
}

describe('keepalives', () => {
  test('share one stream, and each gets its own response, counted from its request', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.ttl = (id) => (id === ID ? 10 : 20);
      streams.answerMs = 7;
      const [a, b, again] = [
        record(time, refreshBy(keepAlives, ID, 1_000)),
        record(time, refreshBy(keepAlives, OTHER, 1_000)),
        record(time, refreshBy(keepAlives, ID, 1_000)),
      ];
      time.flush();
      expect([a, b, again].map(({ events }) => events.map(({ at, event: { ttl, sentAt } }) => [at, ttl, sentAt.wall]))).toEqual([
        [[8, 10, 1]],
        [[8, 20, 1]],
        [[8, 10, 1]],
      ]);
      expect(streams).toMatchObject({ made: 1, open: 0, asked: [ID, OTHER, ID] });
    });
  });

  test('that timed out do not receive the response to another', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = 50;
      keepAlives.retain();
      let first: ReturnType<typeof record> | undefined;
      let second: ReturnType<typeof record<{ sentAt: { wall: number } }>> | undefined;
      // The shared stream is open by then.
      time.at(100, () => (first = record(time, refreshBy(keepAlives, ID, 1_000))));
      time.at(110, () => {
        first?.leave();
        second = record(time, refreshBy(keepAlives, ID, 1_000));
      });
      time.at(500, () => keepAlives.release());
      time.flush();
      expect(second?.events).toMatchObject([{ at: 160, event: { sentAt: { wall: 110 } } }]);
    });
  });

  test('open no stream for a lease that is released soon', () => {
    scene(({ time, streams, keepAlives }) => {
      keepAlives.retain();
      time.at(20, () => keepAlives.release());
      time.at(30, () => keepAlives.retain());
      time.at(60, () => keepAlives.release());
      time.flush();
      expect(streams.made).toBe(0);
      expect(time.timers()).toBe(0);
    });
  });

  test('fail if their lease has ended, and the stream continues', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.ttl = (id) => (id === ID ? 0 : 10);
      const [gone, there] = [record(time, refreshBy(keepAlives, ID, 1_000)), record(time, refreshBy(keepAlives, OTHER, 1_000))];
      time.flush();
      expect(gone.end?.reason).toBe('LeaseNotFound');
      expect(there.events).toHaveLength(1);
      expect(streams.made).toBe(1);
    });
  });

  test('abort an unresponsive stream together, after the shortest of their timeouts', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = Infinity;
      const patient = record(time, refreshBy(keepAlives, ID, 4_000));
      time.at(100, () => void record(time, refreshBy(keepAlives, OTHER, 900)));
      time.flush();
      expect(patient.end).toEqual({ at: 1_000, reason: 'ConnectionLost' });
      expect(streams.open).toBe(0);
      expect(streams.failures).toEqual(['ConnectionLost']);
    });
  });

  test('wait no longer than the response timeout of the stream, however long the lease', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = Infinity;
      const seen = record(time, refreshBy(keepAlives, ID, 3_600_000));
      time.flush();
      expect(seen.end).toEqual({ at: 1 + SETTINGS.responseTimeoutMs, reason: 'ConnectionLost' });
    });
  });

  test('wait longer for a slow server that responds', () => {
    scene(({ time, streams, keepAlives }) => {
      const all = Array.from({ length: 50 }, (_, index) => {
        const id = leaseId(String(index + 1));
        return record(time, refreshBy(keepAlives, id, 1_000));
      });
      // One response after the other, half a second each.
      streams.answerMs = 500;
      streams.inTurn = true;
      time.flush();
      expect(all.every(({ events }) => events.length === 1)).toBe(true);
      expect(all.at(-1)?.end?.at).toBe(25_001);
      expect(streams.made).toBe(1);
    });
  });

  test('abort a stream that does not open within half a second, and later ones after a little longer', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.openMs = Infinity;
      const first = record(time, refreshBy(keepAlives, ID, 1_000));
      let second: ReturnType<typeof record> | undefined;
      time.at(2_000, () => (second = record(time, refreshBy(keepAlives, ID, 1_000))));
      time.flush();
      expect(first.end).toEqual({ at: 500, reason: 'Unreachable' });
      expect(second?.end).toEqual({ at: 3_000, reason: 'Unreachable' });
    });
  });

  test('continue within half a second after the server is back, however long it was away', () => {
    scene(({ time, streams, keepAlives }) => {
      for (let at = 0; at < 30_000; at += 10) time.at(at, () => streams.break('ConnectionLost'));
      keepAlives.retain();
      let back: ReturnType<typeof record<unknown>> | undefined;
      time.at(30_000, () => (back = record(time, refreshBy(keepAlives, ID, 1_000))));
      time.at(31_000, () => keepAlives.release());
      time.flush();
      expect(back?.events[0]?.at).toBeLessThanOrEqual(30_502);
    });
  });

  test('fail when the stream breaks, and later ones use another stream', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = 100;
      const broken = record(time, refreshBy(keepAlives, ID, 1_000));
      time.at(50, () => streams.break('ConnectionLost'));
      let next: ReturnType<typeof record> | undefined;
      time.at(51, () => (next = record(time, refreshBy(keepAlives, ID, 1_000))));
      time.flush();
      expect(broken.end).toEqual({ at: 50, reason: 'ConnectionLost' });
      expect(next?.events).toHaveLength(1);
      expect(streams.made).toBe(2);
    });
  });

  test('end the stream if the server responds with an unknown error', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.ttl = () => NaN;
      const seen = record(time, refreshBy(keepAlives, ID, 1_000));
      time.at(1, () => streams.break('NoLeader'));
      time.flush();
      expect(seen.end?.reason).toBe('NoLeader');
    });
  });

  test('are single calls if no bidirectional stream is available', () => {
    scene(({ time, streams, lease, keepAlives }) => {
      streams.transport = 'chunked';
      lease.grant(60, { id: ID }).subscribe();
      const refreshed = (id: LeaseId) => record(time, timer(100).pipe(switchMap(() => refreshBy(keepAlives, id, 1_000))));
      const [there, gone] = [refreshed(ID), refreshed(OTHER)];
      keepAlives.retain();
      time.flush();
      expect(there.events).toMatchObject([{ at: 101, event: { ttl: 60, sentAt: { wall: 100 } } }]);
      expect(gone.end?.reason).toBe('LeaseNotFound');
      expect(streams.made).toBe(0);
    });
  });
});

describe('the keepalive stream', () => {
  test('stays open between two refreshes, despite failures, and closes with the last lease', () => {
    scene(({ time, streams, keepAlives }) => {
      keepAlives.retain();
      keepAlives.retain();
      time.at(100, () => expect(streams).toMatchObject({ made: 1, open: 1 }));
      time.at(1_000, () => streams.break('ConnectionLost'));
      time.at(1_100, () => expect(streams).toMatchObject({ made: 2, open: 1 }));
      time.at(2_000, () => keepAlives.release());
      time.at(2_000, () => expect(streams.open).toBe(1));
      time.at(3_000, () => keepAlives.release());
      time.at(3_000, () => expect(streams.open).toBe(0));
      time.flush();
      expect(time.timers()).toBe(0);
    });
  });

  test('is opened again some time after a permanent failure', () => {
    scene(({ time, streams, keepAlives }) => {
      keepAlives.retain();
      for (const at of [100, 500, 1_000, 1_500, 2_400]) time.at(at, () => streams.break('MalformedResponse'));
      time.at(2_500, () => expect(streams.open).toBe(0));
      time.at(20_000, () => expect(streams.open).toBe(1));
      time.at(20_000, () => keepAlives.release());
      time.flush();
      expect(streams.open).toBe(0);
    });
  });

  test('serves ten thousand leases with a few timers', () => {
    scene(({ time, streams, keepAlives }) => {
      const context = contextWith(keepAlives);
      let ended = 0;
      const lives = Array.from({ length: 10_000 }, (_, index) => {
        const observer = { next: () => undefined, error: () => (ended += 1), complete: () => undefined };
        const granted = { id: leaseId(String(index + 1)), ttl: 10, sentAt: now() };
        const keeper = new LeaseKeeper(granted, context, 'error', observer);
        keeper.start();
        return () => keeper.detach();
      });
      const most: number[] = [];
      // The fake uses timers for the responses.
      streams.answerMs = Infinity;
      for (let at = 0; at < 3_400; at += 50) time.at(at, () => most.push(time.timers()));
      time.at(3_450, () => {
        expect(streams.asked).toHaveLength(10_000);
        expect(streams.made).toBe(1);
        expect(Math.max(...most)).toBeLessThanOrEqual(4);
        for (const end of lives) end();
        expect(time.timers()).toBe(0);
      });
      time.flush();
      expect(ended).toBe(0);
      expect(asyncScheduler.actions).toHaveLength(0);
    });
  });
});
