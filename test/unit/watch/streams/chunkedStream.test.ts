import { describe, expect, test } from '@jest/globals';
import { concat, defer, NEVER, of, throwError, timer, switchMap, type Observable } from 'rxjs';
import { EtcdError } from '../../../../src/errors/index.js';
import type { Caller, Channel } from '../../../../src/transport/call.js';
import { chunkedStream } from '../../../../src/watch/streams/chunkedStream.js';
import { StreamLost } from '../../../../src/watch/streamLost.js';
import type { WatchStream } from '../../../../src/watch/watchStream.js';
import { settings } from '../../../support/fakes/fakeWatchConnections.js';
import { observable, virtually, watching } from '../support.js';

const { heartbeatMs, answerTimeoutMs } = settings;
const target = { key: new Uint8Array([1]), filter: {} };

/** A server that says that a watch is there, and nothing more; and, until it falls silent, its version to who asks. */
class Server {
  asked = 0;
  silent = false;

  readonly caller = {
    stream: () => concat(of({ header: { clusterId: '1', revision: 7 }, created: true, canceled: false }), NEVER),
    get: () =>
      defer((): Observable<unknown> => {
        this.asked += 1;
        if (!this.silent) return of({ status: 200, body: '' });
        return timer(answerTimeoutMs).pipe(switchMap(() => throwError(() => new EtcdError('DeadlineExceeded', 'no answer'))));
      }),
  } as unknown as Caller;

  /** The stream over it. */
  stream(): WatchStream {
    let found: WatchStream | undefined;
    chunkedStream(this.caller, { endpoint: 'http://a:1', version: undefined, removed: NEVER } as unknown as Channel, settings, {
      patienceMs: () => answerTimeoutMs,
      onSilence: () => undefined,
      onNews: () => undefined,
      onAnswer: () => undefined,
      onLost: (error) => new StreamLost(error, true),
    }).subscribe((stream) => (found = stream));
    if (found === undefined) throw new Error('there is no stream');
    return found;
  }
}

describe('watches over chunked answers, to which nothing can be said', () => {
  test('are lost when the server does not answer beside them', () => {
    virtually(({ flush }) => {
      const server = new Server();
      server.silent = true;
      const seen = watching(observable(server.stream().watch(target, 1)));
      timer(heartbeatMs + answerTimeoutMs - 1).subscribe(() => expect(seen.errors).toEqual([]));
      timer(heartbeatMs + answerTimeoutMs + 1).subscribe(() => expect(seen.errors).toEqual([expect.any(StreamLost)]));
      flush();
      expect(seen.values).toMatchObject([{ type: 'created' }]);
      expect(seen.errors).toHaveLength(1);
    });
  });

  test('ask for all of them together, as long as one is there', () => {
    virtually(({ flush }) => {
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
});
