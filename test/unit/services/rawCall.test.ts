import { afterEach, describe, expect, test } from '@jest/globals';
import { Subject, firstValueFrom, materialize, take } from 'rxjs';
import { createClient } from '../../../src/index.js';
import { failureWith } from '../../integration/support/outcomes.js';
import { startFakeServer, type FakeServer } from '../../support/fakes/fakeServer.js';

let server: FakeServer | undefined;
afterEach(() => server?.close());

describe('a raw call', () => {
  test.each(['/lock/lock', '/election/campaign', '/maintenance/defragment'])(
    'to %s waits as long as the method for it does',
    async (path) => {
      const arrived = new Subject<void>();
      server = await startFakeServer((request) => {
        if (request.path.endsWith(path)) arrived.next();
      });
      const etcd = createClient({ endpoints: server.endpoint, requestTimeoutMs: 60 });
      let ended: unknown;
      const sent = firstValueFrom(arrived);
      const waiting = etcd
        .call(path, {})
        .pipe(materialize(), take(1))
        .subscribe((end) => (ended = end));
      await sent;
      // Begun later, with the usual deadline.
      await failureWith('DeadlineExceeded', etcd.call('/kv/range', {}, { safety: 'read' }));
      expect(ended).toBeUndefined();
      waiting.unsubscribe();
      await etcd.close();
    },
  );

  test('with a timeoutMs of its own has that', async () => {
    server = await startFakeServer();
    const etcd = createClient({ endpoints: server.endpoint });
    // From then on a call is sent at once, however busy the machine is.
    await firstValueFrom(etcd.call('/kv/range', {}, { safety: 'read' }));
    server.script = () => undefined;
    await failureWith('AmbiguousWrite', etcd.call('/lock/lock', {}, { timeoutMs: 1_000 }));
    await etcd.close();
  });
});
