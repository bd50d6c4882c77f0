import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, interval, timer } from 'rxjs';
import { Heartbeat } from '../../../../src/watch/streams/duplexStream.js';
import { runInVirtualTime } from '../support.js';

const HOUR = 3_600_000;

/** The actions of a heartbeat, with their times. */
class Pulse {
  readonly asked: number[] = [];
  readonly lost: string[] = [];
  lostAt: number | undefined;
  /** How long the other end takes to respond; undefined for never. */
  answersAfterMs: number | undefined = 1;
  watched = true;
  timeoutMs = 5_000;
  intervalMs = 10_000;
  readonly heartbeat = new Heartbeat({
    intervalMs: () => this.intervalMs,
    timeoutMs: () => this.timeoutMs,
    sendHeartbeat: () => {
      if (!this.watched) return false;
      this.asked.push(asyncScheduler.now());
      if (this.answersAfterMs !== undefined) timer(this.answersAfterMs).subscribe(() => this.heartbeat.hear());
      return true;
    },
    onLost: (what) => {
      this.lost.push(what);
      this.lostAt = asyncScheduler.now();
      this.heartbeat.stop();
    },
  });
}

/** Runs a heartbeat up to a time, with these events. Then it is stopped: virtual time ends when no timer is left. */
function pulse(endMs: number, act: Record<number, (pulse: Pulse) => void> = {}, before?: (pulse: Pulse) => void): Pulse {
  return runInVirtualTime(({ flush }) => {
    const made = new Pulse();
    before?.(made);
    for (const [at, what] of Object.entries(act)) timer(Number(at)).subscribe(() => what(made));
    timer(endMs).subscribe(() => made.heartbeat.stop());
    flush();
    return made;
  });
}

const silent = (made: Pulse): void => void (made.answersAfterMs = undefined);

describe('a heartbeat', () => {
  test('is sent when the stream was idle for the interval, as long as there are responses', () => {
    const { asked, lost } = pulse(24 * HOUR);
    // In the same turn as other streams, although each response arrives a millisecond after its request.
    expect(asked).toEqual(Array.from({ length: 8_639 }, (_, index) => 10_000 * (index + 1)));
    expect(lost).toEqual([]);
  });

  test('is sent an interval after the last data, or up to a tenth sooner', () => {
    const { asked } = pulse(21_000, { 500: ({ heartbeat }) => heartbeat.hear(), 9_900: ({ heartbeat }) => heartbeat.hear() });
    expect(asked).toEqual([19_000]);
  });

  test('waits for the timeout that applies when it is sent', () => {
    const made = pulse(HOUR, { 9_000: (later) => (later.timeoutMs = 2_000) }, silent);
    expect(made.lostAt).toBe(12_000);
  });

  test('is not sent while messages arrive', () => {
    const { asked, lost } = pulse(HOUR, {}, (made) => {
      const talking = interval(7_000).subscribe(() => made.heartbeat.hear());
      timer(HOUR).subscribe(() => talking.unsubscribe());
    });
    expect(asked).toEqual([]);
    expect(lost).toEqual([]);
  });

  test('ends a stream that does not respond in time, once', () => {
    const { asked, lost, lostAt } = pulse(HOUR, {}, silent);
    expect(asked).toEqual([10_000]);
    expect(lostAt).toBe(15_000);
    expect(lost).toEqual([expect.stringMatching(/no response to a heartbeat within 5000 ms/)]);
  });

  test('accepts any data as a response', () => {
    const { lost } = pulse(19_000, { 14_999: ({ heartbeat }) => heartbeat.hear() }, silent);
    expect(lost).toEqual([]);
  });

  test('is sent at once after another failure, and ends the stream if there is no response', () => {
    const { asked, lostAt } = pulse(
      HOUR,
      { 3_000: ({ heartbeat }) => heartbeat.suspect(), 3_100: ({ heartbeat }) => heartbeat.suspect() },
      silent,
    );
    expect(asked).toEqual([3_000]);
    expect(lostAt).toBe(8_000);
  });

  test('is not sent on a stream that received data just now', () => {
    const { asked } = pulse(9_000, { 2_900: ({ heartbeat }) => heartbeat.hear(), 3_000: ({ heartbeat }) => heartbeat.suspect() });
    expect(asked).toEqual([]);
  });

  test('is sent sooner once the interval is shorter', () => {
    const { asked } = pulse(9_900, {
      4_200: (made) => {
        made.intervalMs = 2_500;
        made.heartbeat.hurry();
      },
    });
    expect(asked).toEqual([4_200, 6_700, 9_200]);
  });

  test('ends no stream that has no watch', () => {
    const { asked, lost } = pulse(HOUR, {}, (made) => void (made.watched = false));
    expect(asked).toEqual([]);
    expect(lost).toEqual([]);
  });

  test('ends a stream on which a create gets no response in time', () => {
    const { lost, lostAt } = pulse(HOUR, { 2_000: ({ heartbeat }) => heartbeat.expect(true) }, (made) => void (made.watched = false));
    expect(lostAt).toBe(7_000);
    expect(lost).toEqual([expect.stringMatching(/no response to a create request/)]);
  });

  test('does not end the stream once the create has a response', () => {
    const { lost } = pulse(HOUR, { 2_000: ({ heartbeat }) => heartbeat.expect(true), 6_999: ({ heartbeat }) => heartbeat.expect(false) });
    expect(lost).toEqual([]);
  });

  test('keeps waiting for a create behind a long backlog, as long as data arrive', () => {
    const backlog = (made: Pulse): void => {
      const coming = interval(4_000).subscribe(() => made.heartbeat.hear());
      timer(30_000).subscribe(() => coming.unsubscribe());
    };
    const { lost, lostAt } = pulse(HOUR, { 1: ({ heartbeat }) => heartbeat.expect(true) }, (made) => {
      made.watched = false;
      backlog(made);
    });
    // The last part arrives at 28 s.
    expect(lostAt).toBe(33_000);
    expect(lost).toHaveLength(1);
  });

  test('does not wait forever for a create that the server ignores, while older watches continue', () => {
    const { lost, lostAt } = pulse(HOUR, { 1: ({ heartbeat }) => heartbeat.expect(true) }, (made) => {
      const coming = interval(1_000).subscribe(() => made.heartbeat.hear());
      timer(HOUR).subscribe(() => coming.unsubscribe());
    });
    expect(lostAt).toBe(60_001);
    expect(lost).toHaveLength(1);
  });

  test('times each create separately', () => {
    const { lost } = pulse(10_000, {
      1_000: ({ heartbeat }) => heartbeat.expect(true),
      5_000: ({ heartbeat }) => heartbeat.expect(true),
      9_000: ({ heartbeat }) => heartbeat.expect(false),
    });
    expect(lost).toEqual([]);
  });

  test('remembers its response when a create follows', () => {
    // A heartbeat at 10 s has its response at once; a create is waiting when the timeout of that response would have ended.
    const { asked, lost } = pulse(19_000, {
      14_900: ({ heartbeat }) => heartbeat.expect(true),
      15_100: ({ heartbeat }) => heartbeat.expect(false),
    });
    expect(asked).toEqual([10_000]);
    expect(lost).toEqual([]);
  });

  test('remembers data after a create when it is due', () => {
    // Data arrive at 9 s, and at 10 s it checks whether any did.
    const { lost } = pulse(
      13_500,
      { 8_000: ({ heartbeat }) => heartbeat.expect(true), 9_000: ({ heartbeat }) => heartbeat.hear() },
      (made) => {
        made.watched = false;
      },
    );
    expect(lost).toEqual([]);
  });

  test('is not sent while a create waits for its response, which serves as one', () => {
    const { asked, lost } = pulse(19_000, {
      9_000: ({ heartbeat }) => heartbeat.expect(true),
      13_000: ({ heartbeat }) => heartbeat.expect(false),
    });
    expect(asked).toEqual([]);
    expect(lost).toEqual([]);
  });

  test('leaves no timer behind when it is stopped', () => {
    const idleAt = runInVirtualTime(({ flush }) => {
      const made = new Pulse();
      made.answersAfterMs = undefined;
      timer(11_000).subscribe(() => {
        made.heartbeat.expect(true);
        made.heartbeat.stop();
      });
      // Time goes on only while something waits for it.
      flush();
      return [asyncScheduler.now(), made.lost];
    });
    expect(idleAt).toEqual([11_000, []]);
  });
});
