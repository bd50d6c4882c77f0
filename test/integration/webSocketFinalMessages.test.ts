import { expect, test } from '@jest/globals';
import { filter, firstValueFrom, Subscription, timer } from 'rxjs';
import { settingsOf } from '../../src/options/clientOptions.js';
import { TlsSource } from '../../src/node/certificates.js';
import { undiciTransport } from '../../src/node/undiciTransport.js';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';

const fixture = withEtcd();
const MESSAGE = '{"progress_request":{}}';
/** Larger than one frame. */
const MESSAGES = 2_000;
const FRAMES = 2;
/** The length of the header of a client's frame, with its mask. */
const HEADER_BYTES = 8;
const CLOSE_BYTES = 6;

test('the messages sent on a WebSocket in the turn in which it is closed arrive, whatever their size', async () => {
  const proxy = await startTcpProxy(fixture.server.endpoint);
  const path = fixture.has('3.4') ? '/v3/watch' : '/v3beta/watch';
  const request = { transport: 'websocket', origin: proxy.endpoint, path, headers: {}, token: undefined, rpc: 'Watch.Watch' } as const;
  const settings = settingsOf({ endpoints: proxy.endpoint });
  const transport = undiciTransport({ ...settings, tls: new TlsSource(settings.tls) });
  let before = 0;
  const left = new Promise<void>((resolve, reject) => {
    const listening = new Subscription();
    listening.add(
      transport.duplex(request).subscribe({
        next: (part) => {
          if (part.type !== 'open') return;
          before = proxy.up.bytes;
          for (let sent = 0; sent < MESSAGES; sent++) part.send(MESSAGE);
          listening.unsubscribe();
          resolve();
        },
        error: reject,
      }),
    );
  });
  await left;
  await firstValueFrom(timer(0, 5).pipe(filter(() => proxy.open === 0)));
  const arrived = proxy.up.bytes - before;
  await Promise.all([transport.close(), proxy.close()]);
  // Between two messages in a frame there is a newline; the close frame is only a header.
  expect(arrived).toBe(MESSAGES * MESSAGE.length + (MESSAGES - FRAMES) + FRAMES * HEADER_BYTES + CLOSE_BYTES);
});
