import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, request, type Server } from 'node:http';
import { filter, firstValueFrom } from 'rxjs';
import { listenSomewhere } from '../../support/ports.js';
import { collect } from './support/collect.js';
import { setScene, type Scene } from './support/scene.js';

/** Passes on only complete responses, as a buffering proxy does. */
function bufferingProxy(target: string): Server {
  return createServer((asked, answer) => {
    const { method, url, headers } = asked;
    const passed = request(new URL(url ?? '/', target), { method, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => answer.writeHead(response.statusCode ?? 502).end(Buffer.concat(parts)));
      response.on('error', () => answer.destroy());
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  });
}

let scene: Scene;
let proxy: Server;
let endpoint: string;

beforeAll(async () => {
  scene = await setScene();
  proxy = bufferingProxy(scene.server.endpoint);
  endpoint = `http://127.0.0.1:${await listenSomewhere(proxy)}`;
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await scene.close();
});

test('a watch that receives no data behind a buffering proxy reports this in connection$', async () => {
  const client = scene.client({ transport: 'chunked' }, { endpoints: endpoint });
  await firstValueFrom(client.kv.put('a', '1'));
  const watch = collect(client.watch('a'));
  const lost = await firstValueFrom(client.connection$.pipe(filter((state) => state.status === 'reconnecting')));
  expect(lost.cause).toMatchObject({ reason: 'ConnectionLost', rpc: 'Watch.Watch', endpoint });
  expect(lost.cause.message).toContain('no data since the stream was opened; is a proxy buffering?');
  watch.stop();
  await client.close();
});
