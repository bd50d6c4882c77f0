import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import type { Client, WatchEvent } from '../../../src/index.js';
import { collect, type Collected } from './support/collect.js';
import { setScene, type Scene } from './support/scene.js';
import { waitFor } from '../../support/waitFor.js';

const APP = { username: 'app', password: 'secret of app' };

describe.each([
  ['http2', true],
  ['chunked', false],
] as const)('with auth over %s (TLS: %s)', (transport, tls) => {
  let scene: Scene;
  let client: Client;

  beforeAll(async () => {
    scene = await setScene({ tls, auth: true });
    const { auth } = scene.direct;
    await firstValueFrom(auth.roleAdd('app'));
    await firstValueFrom(auth.roleGrantPermission('app', 'READ', { prefix: 'app/' }));
    await firstValueFrom(auth.userAdd(APP.username, { password: APP.password }));
    await firstValueFrom(auth.userGrantRole(APP.username, 'app'));
  });
  afterEach(() => client.close());
  afterAll(() => scene.close());

  const appClient = (): Client =>
    scene.client({ transport, heartbeatMs: 60_000, responseTimeoutMs: 10_000 }, { auth: APP, requestTimeoutMs: 10_000 });
  const put = async (key: string): Promise<number> => (await firstValueFrom(scene.direct.kv.put(key, 'x'))).header.revision;
  const keys = ({ values }: Collected<WatchEvent>): string[] => values.map(({ kv }) => kv.key);
  /** Resolves when the watch is confirmed, which its first batch shows. */
  const there = async (): Promise<void> => void (await firstValueFrom(client.watchBatches({ prefix: 'app/' })));

  test.each([
    ['from now on', {}],
    ['from the past', { startRevision: 1 }],
  ])('a watch %s without permission fails with PermissionDenied, and the next watch of the client works', async (_, options) => {
    client = appClient();
    const denied = collect(client.watch({ prefix: 'secret/' }, options));
    await waitFor('it is denied', () => denied.error !== undefined);
    expect(denied.error).toMatchObject({ reason: 'PermissionDenied' });
    const permitted = collect(client.watch({ prefix: 'app/' }));
    await there();
    await put('app/after');
    await waitFor('an event comes', () => permitted.values.length > 0);
    expect(keys(permitted)).toEqual(['app/after']);
  });

  test('many concurrent watches each receive the response to their own create request, denied or not', async () => {
    client = appClient();
    const revision = (await firstValueFrom(scene.direct.kv.range('none'))).header.revision;
    const watches = Array.from({ length: 30 }, (_, index) => {
      const key = `${index % 3 === 1 ? 'secret' : 'app'}/many/${index}`;
      return { key, seen: collect(client.watch(key, { startRevision: revision + 1 })) };
    });
    await Promise.all(watches.map(({ key }) => put(key)));
    await waitFor('each has an answer', () => watches.every(({ seen }) => seen.values.length > 0 || seen.error !== undefined));
    for (const { key, seen } of watches) {
      if (key.startsWith('secret/')) expect(seen.error).toMatchObject({ reason: 'PermissionDenied' });
      else expect(keys(seen)).toEqual([key]);
    }
  });

  test('a denied watch does not disturb an existing watch', async () => {
    client = appClient();
    const permitted = collect(client.watch({ prefix: 'app/' }));
    await there();
    const denied = collect(client.watch({ all: true }, { startRevision: 1 }));
    await waitFor('it is denied', () => denied.error !== undefined);
    expect(denied.error).toMatchObject({ reason: 'PermissionDenied' });
    await put('app/still');
    await waitFor('an event comes', () => permitted.values.length > 0);
    expect(keys(permitted)).toEqual(['app/still']);
    expect(permitted.error).toBeUndefined();
  });

  test('a watch starts although the server has discarded the token of the stream, and older watches miss nothing', async () => {
    client = appClient();
    const old = collect(client.watch({ prefix: 'app/' }));
    await there();
    const revision = await put('app/1');
    // The server invalidates all tokens of a user whose password is set, and rejects the old stream as one without
    // permission.
    await firstValueFrom(scene.direct.auth.userChangePassword(APP.username, { password: APP.password }));
    const young = collect(client.watch({ prefix: 'app/' }, { startRevision: revision }));
    await waitFor('the new one is served', () => young.values.length > 0 || young.error !== undefined);
    await put('app/2');
    await waitFor('both have seen it', () => (old.values.length >= 2 && young.values.length >= 2) || young.error !== undefined);
    expect(keys(young)).toEqual(['app/1', 'app/2']);
    expect(keys(old)).toEqual(['app/1', 'app/2']);
  });

  test('watches resume after a restart in which the server lost all tokens', async () => {
    client = appClient();
    const old = collect(client.watch({ prefix: 'app/' }));
    await there();
    await scene.server.restart();
    await put('app/restarted');
    await waitFor('it has been seen', () => old.values.length > 0 || old.error !== undefined);
    expect(old.error).toBeUndefined();
    expect(keys(old)).toEqual(['app/restarted']);
    const young = collect(client.watch({ prefix: 'app/' }));
    await there();
    await put('app/young');
    await waitFor('the new one sees it', () => young.values.length > 0 || young.error !== undefined);
    expect(keys(young)).toEqual(['app/young']);
  });
});
