import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, interval, timer } from 'rxjs';
import { Heartbeat } from '../../../../src/watch/streams/duplexStream.js';
import { virtually } from '../support.js';

const HOUR = 3_600_000;

/** What a heartbeat did, each with its time. */
class Pulse {
  readonly asked: number[] = [];
  readonly lost: string[] = [];
  lostAt: number | undefined;
  /** How long after it was asked the other end answers; undefined for never. */
  answersAfterMs: number | undefined = 1;
  watched = true;
  timeoutMs = 5_000;
  intervalMs = 10_000;
  readonly heartbeat = new Heartbeat({
    intervalMs: () => this.intervalMs,
    timeoutMs: () => this.timeoutMs,
    ask: () => {
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

/** Runs a pulse up to a time, doing things at others. The heartbeat is stopped then: virtual time ends when no timer is left. */
function pulse(endMs: number, act: Record<number, (pulse: Pulse) => void> = {}, before?: (pulse: Pulse) => void): Pulse {
  return virtually(({ flush }) => {
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
  test('asks when the stream has been silent for the interval, for as long as it is answered', () => {
    const { asked, lost } = pulse(24 * HOUR);
    // In the same turn as other streams, though each answer is heard a millisecond after its question.
    expect(asked).toEqual(Array.from({ length: 8_639 }, (_, index) => 10_000 * (index + 1)));
    expect(lost).toEqual([]);
  });

  test('asks an interval after what was heard last, whenever that was, or up to a tenth sooner', () => {
    const { asked } = pulse(21_000, { 500: ({ heartbeat }) => heartbeat.hear(), 9_900: ({ heartbeat }) => heartbeat.hear() });
    expect(asked).toEqual([19_000]);
  });

  test('waits for as long as is right at the time, not as was when it began', () => {
    const made = pulse(HOUR, { 9_000: (later) => (later.timeoutMs = 2_000) }, silent);
    expect(made.lostAt).toBe(12_000);
  });

  test('does not ask while messages come', () => {
    const { asked, lost } = pulse(HOUR, {}, (made) => {
      const talking = interval(7_000).subscribe(() => made.heartbeat.hear());
      timer(HOUR).subscribe(() => talking.unsubscribe());
    });
    expect(asked).toEqual([]);
    expect(lost).toEqual([]);
  });

  test('gives a stream up that does not answer in time, once', () => {
    const { asked, lost, lostAt } = pulse(HOUR, {}, silent);
    expect(asked).toEqual([10_000]);
    expect(lostAt).toBe(15_000);
    expect(lost).toEqual([expect.stringMatching(/no response to a heartbeat within 5000 ms/)]);
  });

  test('takes whatever is heard for an answer', () => {
    const { lost } = pulse(19_000, { 14_999: ({ heartbeat }) => heartbeat.hear() }, silent);
    expect(lost).toEqual([]);
  });

  test('asks at once when something else failed, and gives the stream up where it does not answer', () => {
    const { asked, lostAt } = pulse(
      HOUR,
      { 3_000: ({ heartbeat }) => heartbeat.suspect(), 3_100: ({ heartbeat }) => heartbeat.suspect() },
      silent,
    );
    expect(asked).toEqual([3_000]);
    expect(lostAt).toBe(8_000);
  });

  test('does not suspect a stream that was heard just now', () => {
    const { asked } = pulse(9_000, { 2_900: ({ heartbeat }) => heartbeat.hear(), 3_000: ({ heartbeat }) => heartbeat.suspect() });
    expect(asked).toEqual([]);
  });

  test('asks sooner once the interval is shorter', () => {
    const { asked } = pulse(9_900, {
      4_200: (made) => {
        made.intervalMs = 2_500;
        made.heartbeat.hurry();
      },
    });
    expect(asked).toEqual([4_200, 6_700, 9_200]);
  });

  test('gives nothing up where there is nothing to ask for', () => {
    const { asked, lost } = pulse(HOUR, {}, (made) => void (made.watched = false));
    expect(asked).toEqual([]);
    expect(lost).toEqual([]);
  });

  test('gives a stream up on which a create is not answered in time', () => {
    const { lost, lostAt } = pulse(HOUR, { 2_000: ({ heartbeat }) => heartbeat.expect(true) }, (made) => void (made.watched = false));
    expect(lostAt).toBe(7_000);
    expect(lost).toEqual([expect.stringMatching(/no response to a create request/)]);
  });

  test('does not give it up once the create is answered', () => {
    const { lost } = pulse(HOUR, { 2_000: ({ heartbeat }) => heartbeat.expect(true), 6_999: ({ heartbeat }) => heartbeat.expect(false) });
    expect(lost).toEqual([]);
  });

  test('waits on for a create that stands behind a long backlog, as long as that comes in', () => {
    const backlog = (made: Pulse): void => {
      const coming = interval(4_000).subscribe(() => made.heartbeat.hear());
      timer(30_000).subscribe(() => coming.unsubscribe());
    };
    const { lost, lostAt } = pulse(HOUR, { 1: ({ heartbeat }) => heartbeat.expect(true) }, (made) => {
      made.watched = false;
      backlog(made);
    });
    // The last of it comes at 28 s.
    expect(lostAt).toBe(33_000);
    expect(lost).toHaveLength(1);
  });

  test('does not wait for ever for a create to which the stream is deaf, while its old watches go on', () => {
    const { lost, lostAt } = pulse(HOUR, { 1: ({ heartbeat }) => heartbeat.expect(true) }, (made) => {
      const coming = interval(1_000).subscribe(() => made.heartbeat.hear());
      timer(HOUR).subscribe(() => coming.unsubscribe());
    });
    expect(lostAt).toBe(60_001);
    expect(lost).toHaveLength(1);
  });

  test('counts each create’s time by itself', () => {
    const { lost } = pulse(10_000, {
      1_000: ({ heartbeat }) => heartbeat.expect(true),
      5_000: ({ heartbeat }) => heartbeat.expect(true),
      9_000: ({ heartbeat }) => heartbeat.expect(false),
    });
    expect(lost).toEqual([]);
  });

  test('still knows that its question was answered when a create follows', () => {
    // It is asked at 10 s and answers at once; a create is under way when the time for that answer is over.
    const { asked, lost } = pulse(19_000, {
      14_900: ({ heartbeat }) => heartbeat.expect(true),
      15_100: ({ heartbeat }) => heartbeat.expect(false),
    });
    expect(asked).toEqual([10_000]);
    expect(lost).toEqual([]);
  });

  test('still knows what came behind a create when it is time to ask', () => {
    // Something is heard at 9 s, and it asks itself at 10 s whether anything was.
    const { lost } = pulse(
      13_500,
      { 8_000: ({ heartbeat }) => heartbeat.expect(true), 9_000: ({ heartbeat }) => heartbeat.hear() },
      (made) => {
        made.watched = false;
      },
    );
    expect(lost).toEqual([]);
  });

  test('asks nothing while a create is to be answered, for that answer will do', () => {
    const { asked, lost } = pulse(19_000, {
      9_000: ({ heartbeat }) => heartbeat.expect(true),
      13_000: ({ heartbeat }) => heartbeat.expect(false),
    });
    expect(asked).toEqual([]);
    expect(lost).toEqual([]);
  });

  test('leaves no timer behind when it is stopped', () => {
    const idleAt = virtually(({ flush }) => {
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
