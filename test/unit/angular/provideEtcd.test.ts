import { createEnvironmentInjector, InjectionToken, NgZone, runInInjectionContext, type EnvironmentInjector } from '@angular/core';
import { describe, expect, test } from '@jest/globals';
import { defer, lastValueFrom } from 'rxjs';
import { InvalidOptionError, type Client } from 'rxetcd';
import { connectionSignal, injectEtcd, provideEtcd } from 'rxetcd/angular';
import { withApp } from './support.js';

const app = withApp();

describe('provideEtcd', () => {
  const part = (...providers: Parameters<typeof createEnvironmentInjector>[0]): EnvironmentInjector =>
    createEnvironmentInjector(providers, app().injector);

  test('provides one client, which is closed with its injector', async () => {
    const injector = part(provideEtcd({ endpoints: 'http://127.0.0.1:1' }));
    const [etcd, again] = [0, 1].map(() => runInInjectionContext(injector, () => injectEtcd()));
    expect(again).toBe(etcd);
    expect(etcd!.endpoints()).toEqual(['http://127.0.0.1:1']);
    injector.destroy();
    expect(await lastValueFrom(etcd!.connection$)).toEqual({ status: 'closed' });
  });

  test('creates it when it is first injected, with what a function injects', () => {
    const ENDPOINT = new InjectionToken<string>('endpoint');
    let calls = 0;
    const injector = part(
      { provide: ENDPOINT, useValue: 'http://127.0.0.1:2' },
      provideEtcd(() => {
        calls += 1;
        return { endpoints: injector.get(ENDPOINT) };
      }),
    );
    expect(calls).toBe(0);
    expect(runInInjectionContext(injector, () => injectEtcd()).endpoints()).toEqual(['http://127.0.0.1:2']);
    expect(calls).toBe(1);
    injector.destroy();
  });

  test('provides several clients by token', () => {
    const OTHER = new InjectionToken<Client>('other');
    const injector = part(provideEtcd({ endpoints: 'http://127.0.0.1:3' }, OTHER));
    const [other, first] = runInInjectionContext(injector, () => [injectEtcd(OTHER), injectEtcd()] as const);
    expect(other.endpoints()).toEqual(['http://127.0.0.1:3']);
    expect(first).toBe(app().etcd);
    injector.destroy();
  });

  test('throws the error of an invalid option', () => {
    const injector = part(provideEtcd({ endpoints: [] }));
    expect(() => runInInjectionContext(injector, () => injectEtcd())).toThrow(InvalidOptionError);
    injector.destroy();
  });

  test('creates the client, and subscribes, outside of the zone', () => {
    const outside: boolean[] = [];
    let isOutside = false;
    const zone = {
      runOutsideAngular: <T>(run: () => T): T => {
        isOutside = true;
        try {
          return run();
        } finally {
          isOutside = false;
        }
      },
    };
    const note = <T>(value: T): T => (outside.push(isOutside), value);
    const injector = part(
      { provide: NgZone, useValue: zone },
      provideEtcd(() => note({ endpoints: 'http://127.0.0.1:4' })),
    );
    runInInjectionContext(injector, () => {
      const etcd = injectEtcd();
      connectionSignal({ etcd: { ...etcd, connection$: defer(() => note(etcd.connection$)) } });
    });
    expect(outside).toEqual([true, true]);
    injector.destroy();
  });
});
