import { runInInjectionContext, type EnvironmentInjector } from '@angular/core';
import { afterEach, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';
import { connectionSignal, injectEtcd, liveValueSignal, provideEtcd } from 'rxetcd/angular';
import { createApp } from '../support/angularApp.js';
import { waitFor } from '../support/waitFor.js';
import { withEtcd } from './support/fixture.js';

const fixture = withEtcd();
let injector: EnvironmentInjector;
afterEach(() => {
  if (!injector.destroyed) injector.destroy();
});

test('a signal follows a key of a provided client, which is closed with its injector', async () => {
  const { endpoint } = fixture.server;
  injector = createApp(provideEtcd({ endpoints: endpoint }));
  const { etcd, config, connection } = runInInjectionContext(injector, () => ({
    etcd: injectEtcd(),
    config: liveValueSignal('angular/config', { codec: t.type({ color: t.string }) }),
    connection: connectionSignal(),
  }));
  await waitFor('the state without a value', () => config().status === 'live');
  expect(config().value).toBeUndefined();
  await lastValueFrom(etcd.kv.put('angular/config', '{"color":"red"}'));
  await waitFor('the value', () => config().value?.color === 'red');
  expect(connection()).toMatchObject({ status: 'connected', endpoint });
  injector.destroy();
  expect(await lastValueFrom(etcd.connection$)).toEqual({ status: 'closed' });
});
