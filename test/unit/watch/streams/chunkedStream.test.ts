import { describe, expect, test } from '@jest/globals';
import { concat, defer, NEVER, of, Subject, throwError, timer, switchMap, type Observable } from 'rxjs';
import { EtcdError } from '../../../../src/errors/index.js';
import type { Caller, Channel } from '../../../../src/transport/call.js';
import { chunkedStream } from '../../../../src/watch/streams/chunkedStream.js';
import { reconnecting } from '../../../../src/watch/streams/connectionState.js';
import { StreamLostError } from '../../../../src/watch/streams/streamManager.js';
import type { WatchStream } from '../../../../src/watch/messages.js';
import { settings } from '../../../support/fakes/fakeWatchConnections.js';
import { observable, runInVirtualTime, watching } from '../support.js';
import { idleActivity } from '../../../support/fakes/fakeActivity.js';

const { heartbeatMs, responseTimeoutMs } = settings;
const target = { key: new Uint8Array([1]), filter: {} };

/**
 * A server that confirms a watch, and sends nothing more. It responds to version requests until it becomes
 * unresponsive.
 */
class Server {
  asked = 0;
  silent = false;
  private readonly removed = new Subject<never>();
  /** The failures that count against the endpoint. */
  readonly blamed: unknown[] = [];

  readonly caller = {
    stream: () => concat(of({ header: { clusterId: '1', revision: 7 }, created: true, canceled: false }), NEVER),
    get: () =>
      defer((): Observable<unknown> => {
        this.asked += 1;
        if (!this.silent) return of({ status: 200, body: '' });
        return timer(responseTimeoutMs).pipe(switchMap(() => throwError(() => new EtcdError('DeadlineExceeded', 'no answer'))));
      }),
  } as unknown as Caller;

  private readonly channel: Channel = {
    transport: 'chunked',
    endpoint: 'http://a:1',
    version: undefined,
    removed: this.removed,
    activity: idleActivity,
    duplex: undefined,
    responded: () => undefined,
    failed: () => true,
  };

  /** The client closes its connections. */
  leave(): void {
    this.removed.error(new EtcdError('ConnectionLost', 'other connections turned out to be dead'));
  }

  /** The stream on the connection. */
  stream(): WatchStream {
    let found: WatchStream | undefined;
    chunkedStream(this.caller, this.channel, settings, {
      connected: { status: 'connected', endpoint: this.channel.endpoint, transport: 'chunked' },
      timeoutMs: () => responseTimeoutMs,
      onTimeout: () => undefined,
      onNotification: () => undefined,
      onResponse: () => undefined,
      onLost: (error) => {
        this.blamed.push(error);
        return new StreamLostError(error, reconnecting(error, 0));
      },
      onHarmlessEnd: (error) => new StreamLostError(error, reconnecting(error, 0)),
    }).subscribe((stream) => (found = stream));
    if (found === undefined) throw new Error('there is no stream');
    return found;
  }
}

describe('watches over chunked responses, on which nothing can be sent', () => {
  test('are lost if the server does not respond to a separate request', () => {
    runInVirtualTime(({ flush }) => {
      const server = new Server();
      server.silent = true;
      const seen = watching(observable(server.stream().watch(target, 1)));
      timer(heartbeatMs + responseTimeoutMs - 1).subscribe(() => expect(seen.errors).toEqual([]));
      timer(heartbeatMs + responseTimeoutMs + 1).subscribe(() => expect(seen.errors).toEqual([expect.any(StreamLostError)]));
      flush();
      expect(seen.values).toMatchObject([{ type: 'created' }]);
      expect(seen.errors).toHaveLength(1);
    });
  });

  test('share one probe while any of them is open', () => {
    runInVirtualTime(({ flush }) => {
      const server = new Server();
      const stream = server.stream();
      const all = Array.from({ length: 5 }, () => watching(observable(stream.watch(target, 1))));
      timer(10 * heartbeatMs + 1).subscribe(() => {
        expect(server.asked).toBe(10);
        for (const seen of all) seen.leave();
      });
      flush();
      expect(server.asked).toBe(10);
      expect(all.flatMap(({ errors }) => errors)).toEqual([]);
    });
  });

  test('are lost when their endpoint or its old connections are dropped, which does not mark it as failed', () => {
    runInVirtualTime(({ flush }) => {
      const server = new Server();
      const seen = watching(observable(server.stream().watch(target, 1)));
      server.leave();
      flush();
      expect(seen.errors).toEqual([expect.any(StreamLostError)]);
      expect(server.blamed).toEqual([]);
    });
  });
});
