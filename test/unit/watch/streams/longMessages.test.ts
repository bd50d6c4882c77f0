import { expect, test } from '@jest/globals';
import { NEVER, timer } from 'rxjs';
import { EtcdError, isEtcdError, type Reason } from '../../../../src/errors/index.js';
import type { Channel } from '../../../../src/transport/call.js';
import { parseVersion } from '../../../../src/transport/endpoints/version.js';
import { pageLeft } from '../../../../src/transport/wire.js';
import { LongMessageDetector, type Received } from '../../../../src/watch/messages.js';
import { runInVirtualTime } from '../support.js';
import { idleActivity } from '../../../support/fakes/fakeActivity.js';

const channel = (version: string, transport: Channel['transport'] = 'websocket'): Channel => ({
  transport,
  endpoint: 'http://a:1',
  version: parseVersion(version),
  removed: NEVER,
  activity: idleActivity,
  duplex: undefined,
  responded: () => undefined,
  failed: () => true,
});
const lost = new EtcdError('ConnectionLost', 'scripted', { rpc: 'Watch.Watch' });

/** The reasons of the ends of streams, in order. */
const reasons = (along: Channel, ends: readonly Received[]): Reason[] => {
  const detector = new LongMessageDetector();
  return ends.map((received) => {
    const error = detector.errorOf(lost, received, along);
    return isEtcdError(error) ? error.reason : 'Unknown';
  });
};
const answered = (count: number): Received[] => Array<Received>(count).fill('responses');
const LOST = (count: number): Reason[] => Array<Reason>(count).fill('ConnectionLost');

test('five consecutive streams that end before a notification indicate a message too long for an old WebSocket', () => {
  expect(reasons(channel('3.3.25'), answered(6))).toEqual([...LOST(4), 'ResponseTooLarge', ...LOST(1)]);
});

test.each<Received>(['notifications', 'nothing'])('a stream with %s in between resets the count', (received) => {
  expect(reasons(channel('3.3.25'), [...answered(4), received, ...answered(4)])).toEqual(LOST(9));
});

test.each([
  ['a newer server', channel('3.4.16')],
  ['another transport', channel('3.3.25', 'http2')],
])('with %s such streams are only lost', (_, along) => {
  expect(reasons(along, answered(9))).toEqual(LOST(9));
});

test('other errors are unchanged', () => {
  const error = new EtcdError('NoLeader', 'scripted');
  expect(new LongMessageDetector().errorOf(error, 'responses', channel('3.3.25'))).toBe(error);
});

test('streams that end because their page was left do not count', () => {
  const detector = new LongMessageDetector();
  const left = pageLeft({ rpc: 'Watch.Watch' });
  for (let times = 0; times < 9; times++) expect(detector.errorOf(left, 'responses', channel('3.3.25'))).toBe(left);
});

test('idle streams that are cut now and then are only lost', () => {
  runInVirtualTime(({ flush }) => {
    const detector = new LongMessageDetector();
    const found: unknown[] = [];
    for (let hour = 1; hour <= 9; hour++)
      timer(hour * 3_600_000).subscribe(() => found.push(detector.errorOf(lost, 'responses', channel('3.3.25'))));
    flush();
    expect(found).toEqual(Array<unknown>(9).fill(lost));
  });
});
