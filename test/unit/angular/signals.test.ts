import { signal } from '@angular/core';
import { describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { combineLiveSignal, connectionSignal, liveConfigSignal, liveSignal, liveValueSignal } from 'rxetcd/angular';
import { put } from 'rxetcd';
import { z } from 'zod';
import { waitFor } from '../../support/waitFor.js';
import { withApp } from './support.js';

const codec = t.type({ color: t.string });
const red = '{"color":"red"}';
const blue = '{"color":"blue"}';
const app = withApp();

describe('liveValueSignal', () => {
  test('is loading at first, then has the value and its changes', async () => {
    const { server, run } = app();
    server.put('config', red);
    const config = run(() => liveValueSignal('config', { codec }));
    expect(config()).toEqual({ status: 'loading', value: undefined, error: undefined });
    await waitFor('the value', () => config().value?.color === 'red');
    server.put('config', blue);
    await waitFor('the change', () => config().value?.color === 'blue');
    server.delete('config');
    await waitFor('the deletion', () => config().value === undefined);
    expect(config().status).toBe('live');
  });

  test('shows an invalid value beside the last valid one, and does not throw', async () => {
    const { server, run } = app();
    server.put('config', red);
    const config = run(() => liveValueSignal('config', { codec }));
    await waitFor('the value', () => config().value?.color === 'red');
    server.put('config', '{"color":7}');
    await waitFor('the invalid value', () => config().status === 'invalid');
    expect(config()).toMatchObject({ value: { color: 'red' }, error: { reason: 'InvalidValue' } });
    server.put('config', blue);
    await waitFor('the next valid value', () => config().value?.color === 'blue');
    expect(config().status).toBe('live');
  });

  test('waits for a schema that checks asynchronously', async () => {
    const { server, run } = app();
    server.put('config', red);
    const checked = z.object({ color: z.string() }).refine(({ color }) => Promise.resolve(color !== 'black'));
    const config = run(() => liveValueSignal('config', { codec: checked }));
    await waitFor('the value', () => config().value?.color === 'red');
    server.put('config', '{"color":"black"}');
    await waitFor('the refusal', () => config().status === 'invalid');
    expect(config().value).toEqual({ color: 'red' });
  });

  test('shows a lost connection, and then the missed changes', async () => {
    const { server, run } = app();
    server.put('config', red);
    const config = run(() => liveValueSignal('config', { codec }));
    await waitFor('the value', () => config().status === 'live');
    server.disconnect();
    await waitFor('the loss', () => config().status === 'stale');
    expect(config().value).toEqual({ color: 'red' });
    server.put('config', blue);
    server.connect();
    await waitFor('the change', () => config().status === 'live' && config().value?.color === 'blue');
  });

  test('ends with its injector, also on the server', async () => {
    const { server, part, run } = app();
    const config = run(() => liveValueSignal('config', { codec }));
    await waitFor('the watch', () => config().status === 'live' && server.watches.length === 1);
    part.destroy();
    await waitFor('the end of the watch', () => server.watches.length === 0);
    expect(config().status).toBe('live');
  });

  test('accepts an injector and a namespace as options', async () => {
    const { etcd, server, part } = app();
    server.put('app/config', red);
    const config = liveValueSignal('config', { codec, injector: part, etcd: etcd.namespace('app/') });
    await waitFor('the value', () => config().value?.color === 'red');
  });

  test('requires an injection context', () => {
    expect(() => liveValueSignal('config', { codec })).toThrow('liveValueSignal() can only be used within an injection context');
  });
});

describe('combineLiveSignal', () => {
  test('shows several parts at one revision, and follows others when a signal changes', async () => {
    const { server, run, tick } = app();
    server.txn({ success: [put('1/config', red), put('1/flags/beta', 'on'), put('2/flags/alpha', 'on')] });
    const site = signal(1);
    const settings = run(() =>
      combineLiveSignal(() => ({ config: { key: `${site()}/config`, codec }, flags: { prefix: `${site()}/flags/` } })),
    );
    expect(settings()).toEqual({ status: 'loading', value: undefined, error: undefined });
    tick();
    await waitFor('the parts', () => settings().status === 'live');
    expect([settings().value?.config, [...(settings().value?.flags.keys() ?? [])]]).toEqual([{ color: 'red' }, ['1/flags/beta']]);
    site.set(2);
    expect(settings().status).toBe('loading');
    tick();
    await waitFor('the parts of the other', () => settings().value?.flags.has('2/flags/alpha') === true);
    expect(settings().value?.config).toBeUndefined();
  });
});

describe('liveConfigSignal', () => {
  const App = t.type({ name: t.string, db: t.type({ port: t.number }) });

  test('shows a layered config, an invalid one beside the one in force, and other layers when a signal changes', async () => {
    const { server, run, tick } = app();
    server.txn({ success: [put('all/name', 'n'), put('all/db/port', '1'), put('site/1/name', 'one'), put('site/2/db/port', '2')] });
    const site = signal(1);
    const config = run(() => liveConfigSignal(() => ['all/', `site/${site()}/`], { codec: App, serverTimeoutMs: 1_000 }));
    expect(config()).toEqual({ status: 'loading', value: undefined, error: undefined });
    tick();
    await waitFor('the config', () => config().status === 'live');
    const first = config().value;
    expect(first).toEqual({ name: 'one', db: { port: 1 } });
    server.put('all/db/port', 'many');
    await waitFor('the invalid config', () => config().status === 'invalid');
    expect(config().value).toBe(first);
    expect(config().error).toMatchObject({ failures: ['all/db/port: expected number, received string'] });
    site.set(2);
    tick();
    await waitFor('the config of the other site', () => config().status === 'live');
    expect(config().value).toEqual({ name: 'n', db: { port: 2 } });
  });

  test('accepts a prefix, and ends with its injector', async () => {
    const { server, part, run } = app();
    server.txn({ success: [put('app/name', 'n'), put('app/db/port', '1')] });
    const config = run(() => liveConfigSignal('app/', { codec: App, defaults: { name: 'd' } }));
    await waitFor('the config', () => config().value?.name === 'n');
    server.delete('app/name');
    await waitFor('the default', () => config().value?.name === 'd');
    part.destroy();
    await waitFor('the end of the watch', () => server.watches.length === 0);
  });
});

describe('a key that depends on signals', () => {
  test('is followed when it changes, without a state of the old key for the new one', async () => {
    const { server, run, tick } = app();
    server.put('a', red);
    server.put('b', blue);
    const name = signal('a');
    const config = run(() => liveValueSignal(() => name(), { codec }));
    expect(config().status).toBe('loading');
    tick();
    await waitFor('the first value', () => config().value?.color === 'red');
    name.set('b');
    expect(config()).toEqual({ status: 'loading', value: undefined, error: undefined });
    tick();
    await waitFor('the second value', () => config().value?.color === 'blue');
    await waitFor('the end of the first watch', () => server.watches.length === 1);
    expect(server.watches).toMatchObject([{ key: 'b' }]);
  });

  test('is followed without interruption if its signals change but the key does not', async () => {
    const { server, run, tick } = app();
    server.put('a', red);
    const name = signal({ key: 'a' });
    const config = run(() => liveValueSignal(() => name().key, { codec }));
    tick();
    await waitFor('the value', () => config().status === 'live');
    name.set({ key: 'a' });
    expect(config().status).toBe('live');
  });

  test('is not followed while it is undefined', async () => {
    const { server, run, tick } = app();
    server.put('a', red);
    const name = signal<string | undefined>(undefined);
    const config = run(() => liveValueSignal(() => name(), { codec }));
    tick();
    expect([config().status, server.watches]).toEqual(['loading', []]);
    name.set('a');
    tick();
    await waitFor('the value', () => config().value?.color === 'red');
    name.set(undefined);
    expect(config().status).toBe('loading');
    tick();
    await waitFor('the end of the watch', () => server.watches.length === 0);
  });

  test('has the state failed while its function throws', async () => {
    const { server, run, tick } = app();
    server.put('a', red);
    const name = signal<string | undefined>(undefined);
    const key = () => {
      const given = name();
      if (given === undefined) throw new Error('no input yet');
      return given;
    };
    const config = run(() => liveValueSignal(key, { codec }));
    expect(config().status).toBe('loading');
    tick();
    expect(config()).toMatchObject({
      status: 'failed',
      error: { reason: 'InvalidArgument', message: expect.stringContaining('no input yet') },
    });
    name.set('a');
    tick();
    await waitFor('the value', () => config().value?.color === 'red');
  });

  test('ends with its injector', async () => {
    const { server, part, run, tick } = app();
    const config = run(() => liveSignal(() => ({ prefix: 'a/' })));
    tick();
    await waitFor('the watch', () => config().status === 'live' && server.watches.length === 1);
    part.destroy();
    await waitFor('the end of the watch', () => server.watches.length === 0);
  });
});

describe('liveSignal', () => {
  test('has the keys of the range, and accepts a reactive range', async () => {
    const { server, run, tick } = app();
    server.put('services/a', '1');
    server.put('services/b', '2');
    server.put('users/c', '3');
    const prefix = signal('services/');
    const fixed = run(() => liveSignal({ prefix: 'services/' }));
    const reactive = run(() => liveSignal(() => ({ prefix: prefix() })));
    const names = (): string[][] => [fixed, reactive].map((each) => [...(each().value?.keys() ?? [])]);
    tick();
    await waitFor('both', () => names().flat().length === 4);
    expect(names()).toEqual([
      ['services/a', 'services/b'],
      ['services/a', 'services/b'],
    ]);
    prefix.set('users/');
    tick();
    await waitFor('the other range', () => names()[1]?.length === 1);
    expect(names()[1]).toEqual(['users/c']);
  });

  test('has the state failed for an invalid range', async () => {
    const { run } = app();
    const range = run(() => liveSignal({ from: 'b', to: 'a' }));
    await waitFor('the failure', () => range().status === 'failed');
    expect(range().error?.reason).toBe('InvalidArgument');
  });
});

describe('connectionSignal', () => {
  test('shows the connection state of the watches', async () => {
    const { server, run } = app();
    const connection = run(() => connectionSignal());
    expect(connection()).toEqual({ status: 'idle' });
    run(() => liveSignal({ prefix: 'a/' }));
    await waitFor('the connection', () => connection().status === 'connected');
    server.disconnect();
    await waitFor('the loss', () => connection().status === 'reconnecting');
  });
});
