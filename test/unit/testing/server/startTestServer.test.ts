import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import * as t from 'io-ts';
import { distinctUntilChanged, filter, firstValueFrom, map, take, toArray } from 'rxjs';
import { createClient, type Client, type ClientOptions } from 'rxetcd';
import { startTestServer, type RunningTestServer, type TestServerOptions } from 'rxetcd/testing/server';
import { PATIENT } from '../../../support/patient.js';
import { watching } from '../../watch/support.js';
import { waitFor } from '../../../support/waitFor.js';

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function start(options?: TestServerOptions): Promise<RunningTestServer> {
  const running = await startTestServer(options);
  opened.push(running.close);
  return running;
}

function clientOf({ server }: RunningTestServer, options: ClientOptions = {}): Client {
  const client = createClient({ ...PATIENT, endpoints: server.endpoints, ...options });
  opened.push(async () => void (await client.close()));
  return client;
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a client in another process', () => {
  test('reads keys that the test writes, and the test reads those of the client', async () => {
    const running = await start();
    const etcd = clientOf(running);
    running.server.put('app/color', 'red');
    expect((await firstValueFrom(etcd.kv.get('app/color')))?.value).toBe('red');
    await firstValueFrom(etcd.kv.put('app/color', 'blue', { prevKv: true }));
    expect(running.server.get('app/color')?.value).toBe('blue');
    expect(running.server.calls.at(-1)).toMatchObject({
      rpc: 'KV.Put',
      endpoint: running.endpoint,
      request: { key: 'app/color', value: 'blue', prevKv: true },
    });
  });

  test.each(['websocket', 'chunked'] as const)('watches over %s, and resumes after its connections break', async (transport) => {
    const running = await start();
    const etcd = clientOf(running, { streams: { transport: transport, initialBackoffMs: 10 } });
    const seen = watching(etcd.watch('a', { onStart: () => running.server.put('a', '1') }));
    await waitFor('the first event', () => seen.values.length === 1);
    expect(running.server.watches).toMatchObject([{ key: 'a' }]);
    running.server.breakConnections();
    running.server.put('a', '2');
    await waitFor('the second event', () => seen.values.length === 2);
    expect(seen.values.map(({ kv }) => kv.value)).toEqual(['1', '2']);
    seen.leave();
    await waitFor('the end of the watch at the server', () => running.server.watches.length === 0);
  });

  test('authenticates, also over a WebSocket if the version supports it', async () => {
    const auth = { username: 'ann', password: 'secret' };
    const running = await start({ auth, version: '3.6' });
    const etcd = clientOf(running, { auth, streams: { transport: 'websocket' } });
    const seen = watching(etcd.watch('a', { onStart: () => running.server.put('a', '1') }));
    await waitFor('the event', () => seen.values.length === 1);
    const refused = await failureOf(firstValueFrom(clientOf(running).kv.get('a')));
    expect(refused).toMatchObject({ reason: 'UserEmpty' });
  });

  test('finds the other members', async () => {
    const running = await start({ members: 3 });
    const { members } = await firstValueFrom(clientOf(running).cluster.memberList());
    expect(members.flatMap(({ clientUrls }) => clientUrls)).toEqual(running.server.endpoints);
    expect(new Set(running.server.endpoints).size).toBe(3);
  });
});

describe('a fault of a server over HTTP', () => {
  test('drops a response: the write is carried out, and its outcome is unknown', async () => {
    const running = await start();
    const etcd = clientOf(running);
    running.server.dropResponse('KV.Put');
    expect(await failureOf(firstValueFrom(etcd.kv.put('a', '1')))).toMatchObject({ reason: 'AmbiguousWrite' });
    expect(running.server.get('a')?.value).toBe('1');
  });

  test('fails a call with the text of a server', async () => {
    const running = await start();
    running.server.fail('KV.Put', 'NoSpace');
    const failure = await failureOf(firstValueFrom(clientOf(running).kv.put('a', '1')));
    expect(failure).toMatchObject({ reason: 'NoSpace', code: 'ResourceExhausted' });
  });

  test('refuses connections, so that a write was certainly not sent', async () => {
    const running = await start();
    const etcd = clientOf(running, { retry: false });
    running.server.disconnect();
    expect(await failureOf(firstValueFrom(etcd.kv.put('a', '1')))).toMatchObject({ reason: 'Unreachable' });
    running.server.connect();
    await firstValueFrom(clientOf(running).kv.put('a', '2'));
    expect(running.server.get('a')?.version).toBe(1);
  });

  test('holds responses back until they are released', async () => {
    const running = await start();
    const etcd = clientOf(running);
    await firstValueFrom(etcd.version());
    running.server.stall('responses');
    const written = firstValueFrom(etcd.kv.put('a', '1'));
    await waitFor('the write', () => running.server.get('a') !== undefined);
    running.server.resume();
    expect((await written).header.revision).toBe(running.server.revision);
  });

  test('restarts with an empty store', async () => {
    const running = await start();
    const etcd = clientOf(running, { streams: { initialBackoffMs: 10 } });
    running.server.put('a', '"red"');
    const values = etcd.liveValueState('a', { codec: t.string }).pipe(
      filter(({ status }) => status === 'live'),
      map(({ value }) => value),
      distinctUntilChanged(),
    );
    const both = firstValueFrom(values.pipe(take(2), toArray()));
    await waitFor('the watch', () => running.server.watches.length === 1);
    running.server.restart({ wipe: true });
    expect(await both).toEqual(['red', undefined]);
  });
});

describe('the test server over HTTP', () => {
  test('keeps ids whole that a number cannot hold', async () => {
    const running = await start();
    const body = '{"ID":7587870461384563291,"TTL":100}';
    const response = await fetch(`${running.endpoint}/v3/lease/grant`, { method: 'POST', body });
    expect(await response.json()).toMatchObject({ ID: '7587870461384563291' });
  });

  test('rejects a port in use, and names it', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { readonly port: number };
    const failure = await failureOf(startTestServer({ port }));
    other.close();
    expect(failure).toMatchObject({
      reason: 'InvalidOption',
      message: `option port: expected a free port, received ${port}: another program listens there`,
    });
  });

  test.each([
    [{ version: '3.2' }, 'option version: expected a version of etcd from 3.3 on, such as 3.5 or 3.5.30, received '],
    [{ port: 70_000 }, 'option port: expected a whole number from 0 to 65535, received 70000'],
    [{ host: '192.0.2.1' }, 'option host: expected an address of this machine, received 192.0.2.1: '],
    [{ auth: { username: 'a' } as never }, 'option auth.password: '],
  ])('rejects %j', async (options: TestServerOptions, message) => {
    expect(String(await failureOf(startTestServer(options)))).toContain(message);
  });

  test('frees its port when it is closed, and breaks open connections', async () => {
    const running = await startTestServer();
    const watch = await fetch(`${running.endpoint}/v3/watch`, { method: 'POST', body: '{"create_request":{"key":"YQ=="}}' });
    await running.close();
    await expect(watch.text()).rejects.toThrow();
    await expect(fetch(`${running.endpoint}/version`)).rejects.toThrow('fetch failed');
  });
});
