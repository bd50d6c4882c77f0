import { PLATFORM_ID, TransferState } from '@angular/core';
import { describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { connectionSignal, liveSignal, liveValueSignal } from 'rxetcd/angular';
import { waitFor } from '../../support/waitFor.js';
import { withApp } from './support.js';

const app = withApp({ provide: PLATFORM_ID, useValue: 'server' }, { provide: TransferState, useFactory: () => new TransferState() });

describe('a page rendered on a server', () => {
  test('waits for the first values, and keeps nothing open', async () => {
    const { server, run } = app();
    server.put('config', '{"color":"red"}');
    const config = run(() => liveValueSignal(() => 'config', { codec: t.type({ color: t.string }) }));
    const range = run(() => liveSignal({ prefix: 'c' }));
    await app().stable();
    expect(config()).toMatchObject({ status: 'live', value: { color: 'red' } });
    expect([...(range().value?.keys() ?? [])]).toEqual(['config']);
    await waitFor('the end of the watches', () => server.watches.length === 0);
    server.put('config', '{"color":"blue"}');
    await app().stable();
    expect(config().value).toEqual({ color: 'red' });
  });

  test('waits no longer than the option allows', async () => {
    const { server, run } = app();
    server.disconnect();
    const config = run(() => liveSignal({ prefix: 'c' }, { serverTimeoutMs: 20 }));
    await app().stable();
    expect(config().status).toBe('loading');
    server.connect();
    await waitFor('the end of the watches', () => server.watches.length === 0);
  });

  test('does not wait for a signal that was destroyed', async () => {
    const { server, part, run } = app();
    server.disconnect();
    run(() => liveSignal({ prefix: 'c' }, { serverTimeoutMs: 3_600_000 }));
    part.destroy();
    await app().stable();
  });

  test('does not wait for a key that is undefined', async () => {
    const { run } = app();
    const range = run(() => liveSignal(() => undefined, { serverTimeoutMs: 3_600_000 }));
    await app().stable();
    expect(range().status).toBe('loading');
  });

  test('shows the connection state at the time of the call', async () => {
    const { run } = app();
    const connection = run(() => connectionSignal());
    run(() => liveSignal({ prefix: 'c' }));
    await app().stable();
    expect(connection()).toEqual({ status: 'idle' });
  });
});
