import { describe, expect, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import { KeepAlives } from '../../../../src/concurrency/lease/keepAlives.js';
import { LeaseKeeper } from '../../../../src/concurrency/lease/leaseKeeper.js';
import { now } from '../../../../src/util/time.js';
import { leaseId } from '../../../../src/model/ids.js';
import type { Caller } from '../../../../src/transport/call.js';
import { FakeLeases, FakeStreams, meansWith, refreshBy, SETTINGS } from '../../../support/fakes/fakeLeases.js';
import { ID, OTHER, told, virtually, type VirtualTime } from '../support.js';

interface Scene {
  readonly time: VirtualTime;
  readonly streams: FakeStreams;
  readonly leases: FakeLeases;
  readonly keepAlives: KeepAlives;
}

function scene(test: (scene: Scene) => void): void {
  virtually((time) => {
    const streams = new FakeStreams();
    const leases = new FakeLeases();
    test({ time, streams, leases, keepAlives: new KeepAlives(streams.caller as Caller, leases.service, SETTINGS) });
  });
}

describe('keepalives', () => {
  test('go over one stream, and each gets its own answer, from when it was sent', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.ttl = (id) => (id === ID ? 10 : 20);
      streams.answerMs = 7;
      const [a, b, again] = [
        told(time, refreshBy(keepAlives, ID, 1_000)),
        told(time, refreshBy(keepAlives, OTHER, 1_000)),
        told(time, refreshBy(keepAlives, ID, 1_000)),
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

  test('that nobody waits for any more are not taken for the answer to another', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = 50;
      keepAlives.retain();
      let first: ReturnType<typeof told> | undefined;
      let second: ReturnType<typeof told<{ sentAt: { wall: number } }>> | undefined;
      // The stream that is kept is open by then.
      time.at(100, () => (first = told(time, refreshBy(keepAlives, ID, 1_000))));
      time.at(110, () => {
        first?.leave();
        second = told(time, refreshBy(keepAlives, ID, 1_000));
      });
      time.at(500, () => keepAlives.release());
      time.flush();
      expect(second?.events).toMatchObject([{ at: 160, event: { sentAt: { wall: 110 } } }]);
    });
  });

  test('have no stream for a lease that is released soon', () => {
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

  test('that find their lease gone say so, and the stream goes on', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.ttl = (id) => (id === ID ? 0 : 10);
      const [gone, there] = [told(time, refreshBy(keepAlives, ID, 1_000)), told(time, refreshBy(keepAlives, OTHER, 1_000))];
      time.flush();
      expect(gone.end?.reason).toBe('LeaseNotFound');
      expect(there.events).toHaveLength(1);
      expect(streams.made).toBe(1);
    });
  });

  test('give a stream up that is silent, for all, as soon as the most impatient has waited', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = Infinity;
      const patient = told(time, refreshBy(keepAlives, ID, 4_000));
      time.at(100, () => void told(time, refreshBy(keepAlives, OTHER, 900)));
      time.flush();
      expect(patient.end).toEqual({ at: 1_000, reason: 'ConnectionLost' });
      expect(streams.open).toBe(0);
      expect(streams.failures).toEqual(['ConnectionLost']);
    });
  });

  test('wait no longer than an answer on a stream may take, however long the lease', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = Infinity;
      const seen = told(time, refreshBy(keepAlives, ID, 3_600_000));
      time.flush();
      expect(seen.end).toEqual({ at: 1 + SETTINGS.responseTimeoutMs, reason: 'ConnectionLost' });
    });
  });

  test('wait on for a server that is slow but answers', () => {
    scene(({ time, streams, keepAlives }) => {
      const all = Array.from({ length: 50 }, (_, index) => {
        const id = leaseId(String(index + 1));
        return told(time, refreshBy(keepAlives, id, 1_000));
      });
      // One after the other, half a second each.
      streams.answerMs = 500;
      streams.inTurn = true;
      time.flush();
      expect(all.every(({ events }) => events.length === 1)).toBe(true);
      expect(all.at(-1)?.end?.at).toBe(25_001);
      expect(streams.made).toBe(1);
    });
  });

  test('give a stream up that is not opened within half a second, for a lease may be short, and the next ones a little later', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.openMs = Infinity;
      const first = told(time, refreshBy(keepAlives, ID, 1_000));
      let second: ReturnType<typeof told> | undefined;
      time.at(2_000, () => (second = told(time, refreshBy(keepAlives, ID, 1_000))));
      time.flush();
      expect(first.end).toEqual({ at: 500, reason: 'Unreachable' });
      expect(second?.end).toEqual({ at: 3_000, reason: 'Unreachable' });
    });
  });

  test('go on within half a second when the server is back, however long it was away', () => {
    scene(({ time, streams, keepAlives }) => {
      for (let at = 0; at < 30_000; at += 10) time.at(at, () => streams.break('ConnectionLost'));
      keepAlives.retain();
      let back: ReturnType<typeof told<unknown>> | undefined;
      time.at(30_000, () => (back = told(time, refreshBy(keepAlives, ID, 1_000))));
      time.at(31_000, () => keepAlives.release());
      time.flush();
      expect(back?.events[0]?.at).toBeLessThanOrEqual(30_502);
    });
  });

  test('are told when the stream breaks, and the next go over another', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.answerMs = 100;
      const broken = told(time, refreshBy(keepAlives, ID, 1_000));
      time.at(50, () => streams.break('ConnectionLost'));
      let next: ReturnType<typeof told> | undefined;
      time.at(51, () => (next = told(time, refreshBy(keepAlives, ID, 1_000))));
      time.flush();
      expect(broken.end).toEqual({ at: 50, reason: 'ConnectionLost' });
      expect(next?.events).toHaveLength(1);
      expect(streams.made).toBe(2);
    });
  });

  test('that the server answers in words of its own end the stream', () => {
    scene(({ time, streams, keepAlives }) => {
      streams.ttl = () => NaN;
      const seen = told(time, refreshBy(keepAlives, ID, 1_000));
      time.at(1, () => streams.break('NoLeader'));
      time.flush();
      expect(seen.end?.reason).toBe('NoLeader');
    });
  });

  test('are single calls where no stream goes both ways', () => {
    scene(({ time, streams, leases, keepAlives }) => {
      streams.transport = 'chunked';
      leases.there.add(ID);
      const [there, gone] = [told(time, refreshBy(keepAlives, ID, 1_000)), told(time, refreshBy(keepAlives, OTHER, 1_000))];
      keepAlives.retain();
      time.flush();
      expect(there.events).toMatchObject([{ at: 1, event: { ttl: 60, sentAt: { wall: 0 } } }]);
      expect(gone.end?.reason).toBe('LeaseNotFound');
      expect(streams.made).toBe(0);
    });
  });
});

describe('the stream of keepalives', () => {
  test('stays open between two refreshes, whatever breaks, and closes with the last lease', () => {
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

  test('is held again some time after nothing seemed to help', () => {
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

  test('carries ten thousand leases with a handful of timers', () => {
    scene(({ time, streams, leases, keepAlives }) => {
      const means = meansWith(leases, { keepAlives });
      let ended = 0;
      const lives = Array.from({ length: 10_000 }, (_, index) => {
        keepAlives.retain();
        const observer = { next: () => undefined, error: () => (ended += 1), complete: () => undefined };
        const granted = { id: leaseId(String(index + 1)), ttl: 10, sentAt: now() };
        const keeper = new LeaseKeeper(granted, means, 'error', observer);
        keeper.start();
        return () => {
          keeper.stop();
          keepAlives.release();
        };
      });
      const most: number[] = [];
      // The answers themselves are timers of the fake.
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
