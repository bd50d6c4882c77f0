import { describe, expect, test } from '@jest/globals';
import { NEVER, of, timer } from 'rxjs';
import type { Channel } from '../../../../src/transport/call.js';
import { parseVersion } from '../../../../src/transport/endpoints/version.js';
import { CloseDetection } from '../../../../src/watch/streams/duplexStream.js';
import { runInVirtualTime, watching } from '../support.js';
import { idleActivity } from '../../../support/fakes/fakeActivity.js';

function channelOf(version: string | undefined, more: Partial<Channel> = {}): Channel {
  return {
    transport: 'websocket',
    endpoint: 'http://a:1',
    version: version === undefined ? undefined : parseVersion(version),
    removed: NEVER,
    activity: idleActivity,
    duplex: () => NEVER,
    responded: () => undefined,
    failed: () => true,
    ...more,
  };
}

describe('the closing sequence on a WebSocket', () => {
  test.each([
    ['3.3.25', false],
    ['3.4.23', false],
    ['3.5.16', true],
    ['3.5.33', true],
    ['3.6.14', false],
    [undefined, true],
  ])('to etcd %s is needed before its gateway is known: %s', (version, needed) => {
    expect(new CloseDetection().isMissing(channelOf(version))).toBe(needed);
    expect(new CloseDetection().isMissing(channelOf(version, { transport: 'http2' }))).toBe(false);
  });

  test.each([
    [1, false],
    [2, true],
    [undefined, true],
  ] as const)('to a gateway of the generation %s is needed: %s', (generation, needed) => {
    runInVirtualTime(({ flush }) => {
      const closeDetection = new CloseDetection();
      const channel = channelOf('3.5.33', { gateway: of(generation) });
      watching(closeDetection.probeAfter(500, channel));
      const before: boolean[] = [];
      timer(499).subscribe(() => before.push(closeDetection.isMissing(channel)));
      flush();
      expect([before, closeDetection.isMissing(channel)]).toEqual([[true], needed]);
      // The next stream to the same server uses this knowledge; one to another server does not.
      expect(closeDetection.isMissing(channelOf('3.5.33'))).toBe(needed);
      expect([
        closeDetection.isMissing(channelOf('3.5.16')),
        closeDetection.isMissing(channelOf('3.5.33', { endpoint: 'http://b:1' })),
      ]).toEqual([true, true]);
    });
  });

  test('does not probe a server that is known to be alive', () => {
    runInVirtualTime(({ flush }) => {
      let asked = 0;
      const gateway = new CloseDetection();
      const counted = { gateway: timer(0).pipe(() => (asked++, of(1 as const))) };
      asked = 0;
      for (const version of ['3.4.23', '3.6.14']) watching(gateway.probeAfter(1, channelOf(version, counted)));
      flush();
      expect(asked).toBe(0);
    });
  });
});
