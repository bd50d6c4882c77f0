import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { asyncScheduler, concat, NEVER, timer } from 'rxjs';
import type { Reason } from '../../../../src/errors/index.js';
import { StreamLostError } from '../../../../src/watch/streams/streamManager.js';
import {
  answersFor,
  fails,
  hangs,
  mute,
  opened,
  part,
  progress,
  settings,
  setUp,
  works,
} from '../../../support/fakes/fakeWatchConnections.js';
import { runInVirtualTime, watching, type Seen } from '../support.js';

/** Runs a test up to a time; then everything is unsubscribed, so that virtual time ends. */
function until(endMs: number, ...watches: readonly Seen<unknown>[]): void {
  timer(endMs).subscribe(() => watches.forEach(({ leave }) => leave()));
}
const at = (ms: number, act: () => unknown): void => void timer(ms).subscribe(act);

beforeEach(() => {
  // Without the random part, pauses are whole numbers: 100, 200, 400 …
  jest.spyOn(Math, 'random').mockReturnValue(1);
});
afterEach(() => {
  jest.restoreAllMocks();
});

describe('pauses before another stream', () => {
  test('double with each failure in a row, up to the longest', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch } = setUp([fails('Unreachable')]);
      until(7_000, watch());
      flush();
      // Each attempt takes 1 ms to fail.
      expect(openedAt.slice(1).map((time, index) => time - (openedAt[index] ?? 0) - 1)).toEqual([100, 200, 400, 800, 1_600, 1_600, 1_600]);
    });
  });

  test('start again at the shortest after a response of the server, but not after a mere opening', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch } = setUp([fails('Unreachable'), mute, mute, answersFor(1_000), fails('Unreachable'), works]);
      until(10_000, watch());
      flush();
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = openedAt;
      expect([b - a - 1, c - b - 2, d - c - 2]).toEqual([100, 200, 400]);
      expect([e - d - 1_002, f - e - 1]).toEqual([100, 200]);
      expect(openedAt).toHaveLength(6);
    });
  });

  test('apply to watches that are subscribed to meanwhile', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch } = setUp([fails('Unreachable'), fails('Unreachable'), works]);
      const first = watch();
      // In the pause of 200 ms that begins at 102 all unsubscribe, and another one subscribes.
      at(150, () => first.leave());
      at(160, () => until(2_000, watch()));
      flush();
      expect(openedAt).toEqual([0, 101, 302]);
    });
  });

  test('do not delay a watch after they have ended', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch } = setUp([fails('Unreachable'), works]);
      const first = watch();
      at(50, () => first.leave());
      at(5_000, () => until(1_000, watch()));
      flush();
      expect(openedAt).toEqual([0, 5_000]);
    });
  });
});

describe('one stream', () => {
  test('serves all watches, is opened with the first and closed with the last', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, closedAt, watch } = setUp([works]);
      const seen = Array.from({ length: 1_000 }, () => watch());
      seen.forEach(({ leave }, index) => at(100 + index, leave));
      flush();
      expect([openedAt, closedAt]).toEqual([[0], [1_099]]);
      expect(new Set(seen.flatMap(({ values }) => values)).size).toBe(1);
    });
  });

  test('that breaks is replaced by one for all its watches and the waiting ones', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, closedAt, watch } = setUp([answersFor(1_000), works]);
      const seen = Array.from({ length: 100 }, () => watch());
      at(1_050, () => seen.push(watch()));
      at(2_000, () => seen.forEach(({ leave }) => leave()));
      flush();
      expect([openedAt, closedAt]).toEqual([
        [0, 1_102],
        [1_002, 2_000],
      ]);
      expect(seen.map(({ values }) => values.length)).toEqual([...Array.from({ length: 100 }, () => 2), 1]);
    });
  });

  test('that does not open is aborted after half of the response timeout', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, closedAt, watch, states } = setUp([hangs, works]);
      until(10_000, watch());
      flush();
      expect([openedAt, closedAt[0]]).toEqual([[0, 2_600], 2_500]);
      expect(states()).toEqual(['idle', 'connecting', 'reconnecting in 100: Unreachable', 'connected', 'idle']);
    });
  });
});

describe('the state', () => {
  test('is emitted in order to all, although one of them unsubscribes meanwhile', () => {
    runInVirtualTime(({ flush }) => {
      const { connections, watch } = setUp([answersFor(1_000)]);
      const seen = watch();
      connections.state.subscribe(({ status }) => {
        if (status === 'connected') seen.leave();
      });
      const heard: string[] = [];
      connections.state.subscribe(({ status }) => heard.push(status));
      flush();
      expect(heard).toEqual(['connecting', 'connected', 'idle']);
    });
  });

  test('goes from idle through each step to connected, and back when the last watch is unsubscribed', () => {
    runInVirtualTime(({ flush }) => {
      const { states, watch, said } = setUp([fails('Unreachable'), answersFor(1_000), works]);
      until(5_000, watch(), watch());
      flush();
      expect(states()).toEqual([
        ...['idle', 'connecting', 'reconnecting in 100: Unreachable', 'connected'],
        ...['reconnecting in 100: ConnectionLost', 'connected', 'idle'],
      ]);
      // The selector of endpoint and transport is notified, too.
      expect(said).toEqual(['Unreachable', 'answered', 'ConnectionLost', 'answered']);
    });
  });

  test('is not connected before the first response of the server', () => {
    runInVirtualTime(({ flush }) => {
      const { states, watch } = setUp([() => concat(part(opened), part(progress, 3_000), NEVER)]);
      const seen = watch();
      at(2_000, () => expect([seen.values.length, ...states()]).toEqual([1, 'idle', 'connecting']));
      until(4_000, seen);
      flush();
      expect(states()).toEqual(['idle', 'connecting', 'connected', 'idle']);
    });
  });

  test.each([
    ['while it is opened', hangs, ['idle', 'connecting', 'idle']],
    ['in a pause', fails('Unreachable'), ['idle', 'connecting', 'reconnecting in 100: Unreachable', 'idle']],
    ['before the server has responded', () => concat(part(opened), NEVER), ['idle', 'connecting', 'idle']],
    ['when it is connected', works, ['idle', 'connecting', 'connected', 'idle']],
  ] as const)('is idle when the last watch is unsubscribed %s, and nothing continues', (_, what, wanted) => {
    runInVirtualTime(({ flush }) => {
      const { states, watch, openedAt, closedAt } = setUp([what]);
      until(50, watch());
      flush();
      expect(states()).toEqual(wanted);
      expect(openedAt).toEqual([0]);
      expect(closedAt).toHaveLength(1);
      expect(asyncScheduler.now()).toBeLessThan(settings.responseTimeoutMs);
    });
  });

  test('is closed at the end, and completes', () => {
    runInVirtualTime(({ flush }) => {
      const { states, watch, connections } = setUp([works]);
      const whole = watching(connections.state);
      const seen = watch();
      at(50, () => connections.close());
      until(60, seen);
      flush();
      connections.close();
      expect(states()).toEqual(['idle', 'connecting', 'connected', 'closed']);
      expect(whole.completed).toBe(true);
    });
  });

  test('is closed for subscribers after the end, and completes', () => {
    const { connections } = setUp([works]);
    connections.close();
    const late = watching(connections.state);
    expect([late.values, late.completed]).toEqual([[{ status: 'closed' }], true]);
  });
});

describe('a failed stream', () => {
  const lostBy = ({ errors }: Seen<unknown>): unknown => (errors[0] instanceof StreamLostError ? errors[0].error.reason : errors[0]);

  test('is retried forever if the server cannot be reached', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch } = setUp([fails('ConnectionLost')]);
      const seen = watch();
      until(3_600_000, seen);
      flush();
      expect(seen.errors).toEqual([]);
      expect(openedAt.length).toBeGreaterThan(2_000);
    });
  });

  test.each<[Reason, number[]]>([
    ['UnknownMethod', [0, 101, 302, 703, 1504]],
    // A member that lags behind may not know a new token for a while.
    ['InvalidAuthToken', [0, 101, 302, 703, 1504, 3105, 4706, 6307]],
  ])('is retried several times if the server responded, and then fails the watch: %s', (reason, times) => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch, states } = setUp([fails(reason)]);
      const seen = watch();
      flush();
      expect(openedAt).toEqual(times);
      expect(lostBy(seen)).toBe(reason);
      expect(states().at(-1)).toBe('idle');
    });
  });

  test('has all attempts again when the server has responded in between', () => {
    runInVirtualTime(({ flush }) => {
      const denied = fails('InvalidAuthToken');
      const few = [denied, denied, denied] as const;
      const { watch } = setUp([denied, ...few, answersFor(1_000), denied, ...few, works]);
      const seen = watch();
      until(10_000, seen);
      flush();
      expect(seen.errors).toEqual([]);
    });
  });

  test('has all attempts again after an outage, as servers lose tokens', () => {
    runInVirtualTime(({ flush }) => {
      const denied = fails('InvalidAuthToken');
      const few = [denied, denied, denied] as const;
      const { watch } = setUp([denied, ...few, fails('ConnectionLost'), denied, ...few, works]);
      const seen = watch();
      until(30_000, seen);
      flush();
      expect(seen.errors).toEqual([]);
    });
  });

  test('is not retried if the channel has no other transport', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch } = setUp([fails('TransportUnsupported')], { hopeless: ['TransportUnsupported'] });
      const seen = [watch(), watch()];
      flush();
      expect(openedAt).toEqual([0]);
      expect(seen.map(lostBy)).toEqual(['TransportUnsupported', 'TransportUnsupported']);
    });
  });

  test('is not retried if the server rejected the stream', () => {
    runInVirtualTime(({ flush }) => {
      const { openedAt, watch } = setUp([fails('AuthFailed')]);
      const seen = watch();
      flush();
      expect([openedAt, lostBy(seen)]).toEqual([[0], 'AuthFailed']);
    });
  });

  test('does not prevent another stream for a later watch', () => {
    runInVirtualTime(({ flush }) => {
      const { watch } = setUp([fails('AuthFailed'), works]);
      watch();
      at(1_000, () => {
        const seen = watch();
        at(100, () => expect(seen.values).toHaveLength(1));
        until(200, seen);
      });
      flush();
    });
  });
});
