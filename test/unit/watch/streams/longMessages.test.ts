import { expect, test } from '@jest/globals';
import { NEVER, timer } from 'rxjs';
import { EtcdError, isEtcdError, type Reason } from '../../../../src/errors/index.js';
import type { Channel } from '../../../../src/transport/call.js';
import { parseVersion } from '../../../../src/transport/endpoints/version.js';
import { pageLeft } from '../../../../src/transport/wire.js';
import { LongMessageDetector, type Received } from '../../../../src/watch/messages.js';
import { virtually } from '../support.js';
import { idleActivity } from '../../../support/fakes/fakeActivity.js';

const channel = (version: string, transport: Channel['transport'] = 'websocket'): Channel => ({
  transport,
  endpoint: 'http://a:1',
  version: parseVersion(version),
  removed: NEVER,
  activity: idleActivity,
  duplex: undefined,
  answered: () => undefined,
  failed: () => true,
});
const lost = new EtcdError('ConnectionLost', 'scripted', { rpc: 'Watch.Watch' });

/** The reasons that the ends of streams have, one after the other. */
const reasons = (along: Channel, ends: readonly Received[]): Reason[] => {
  const detector = new LongMessageDetector();
  return ends.map((received) => {
    const error = detector.errorOf(lost, received, along);
    return isEtcdError(error) ? error.reason : 'Unknown';
  });
};
const answered = (count: number): Received[] => Array<Received>(count).fill('responses');
const LOST = (count: number): Reason[] => Array<Reason>(count).fill('ConnectionLost');

test('five streams in a row that end before there is news have met a message that is too long for an old WebSocket', () => {
  expect(reasons(channel('3.3.25'), answered(6))).toEqual([...LOST(4), 'ResponseTooLarge', ...LOST(1)]);
});

test.each<Received>(['notifications', 'nothing'])('one with %s in between breaks the row', (received) => {
  expect(reasons(channel('3.3.25'), [...answered(4), received, ...answered(4)])).toEqual(LOST(9));
});

test.each([
  ['a newer server', channel('3.4.16')],
  ['another transport', channel('3.3.25', 'http2')],
])('with %s they are lost and no more', (_, along) => {
  expect(reasons(along, answered(9))).toEqual(LOST(9));
});

test('other errors stay what they are', () => {
  const error = new EtcdError('NoLeader', 'scripted');
  expect(new LongMessageDetector().errorOf(error, 'responses', channel('3.3.25'))).toBe(error);
});

test('streams that end because their page was left have met nothing', () => {
  const detector = new LongMessageDetector();
  const left = pageLeft({ rpc: 'Watch.Watch' });
  for (let times = 0; times < 9; times++) expect(detector.errorOf(left, 'responses', channel('3.3.25'))).toBe(left);
});

test('streams that are cut now and then while nothing happens are lost and no more', () => {
  virtually(({ flush }) => {
    const detector = new LongMessageDetector();
    const found: unknown[] = [];
    for (let hour = 1; hour <= 9; hour++)
      timer(hour * 3_600_000).subscribe(() => found.push(detector.errorOf(lost, 'responses', channel('3.3.25'))));
    flush();
    expect(found).toEqual(Array<unknown>(9).fill(lost));
  });
});
