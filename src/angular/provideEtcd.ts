import { DestroyRef, inject, InjectionToken, makeEnvironmentProviders, NgZone, type EnvironmentProviders } from '@angular/core';
// The import uses the package's name, so that the bundler chooses the client for the platform, and includes it only
// once.
import { createClient, type Client, type ClientOptions } from 'rxetcd';

/**
 * The token of the client. A test provides its own client with `{ provide: ETCD, useValue: createTestEtcd().etcd }`.
 * Angular does not close a client that is provided in this way.
 */
export const ETCD = new InjectionToken<Client>('client of rxetcd (see provideEtcd)');

/**
 * Provides a client. The client is created when it is first injected, and closed when its injector is destroyed. Held
 * leases and locks are then released. No request is sent before the first subscription.
 *
 * ```ts
 * bootstrapApplication(App, { providers: [provideEtcd({ endpoints: '/etcd' })] });
 * ```
 *
 * @param options the options of `createClient`, or a function that returns them and may call `inject`
 * @param token the token of the client. Each further client needs a separate `InjectionToken<Client>`. The default is
 * {@link ETCD}
 */
export function provideEtcd(
  options: ClientOptions | (() => ClientOptions) = {},
  token: InjectionToken<Client> = ETCD,
): EnvironmentProviders {
  const useFactory = (): Client => {
    const etcd = outsideZone()(() => createClient(typeof options === 'function' ? options() : options));
    inject(DestroyRef).onDestroy(() => void etcd.close());
    return etcd;
  };
  return makeEnvironmentProviders([{ provide: token, useFactory }]);
}

/**
 * Returns the client that {@link provideEtcd} provides. Call this function in an injection context.
 *
 * ```ts
 * class Colors {
 *   private readonly etcd = injectEtcd();
 *   readonly save = (color: string) => this.etcd.kv.put('app/color', color);
 * }
 * ```
 *
 * @param token the token that was passed to `provideEtcd`; the default is {@link ETCD}
 */
export function injectEtcd(token: InjectionToken<Client> = ETCD): Client {
  return inject(token);
}

/**
 * Returns a function that runs another function outside of Angular's zone. Within the zone of zone.js, each timer of a
 * watch would run change detection, and keep the app from becoming stable.
 */
export function outsideZone(): <T>(run: () => T) => T {
  const zone = inject(NgZone, { optional: true });
  return (run) => (zone === null ? run() : zone.runOutsideAngular(run));
}
