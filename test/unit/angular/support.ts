import {
  ApplicationRef,
  createEnvironmentInjector,
  runInInjectionContext,
  type EnvironmentInjector,
  type EnvironmentProviders,
  type Provider,
} from '@angular/core';
import { afterEach, beforeEach } from '@jest/globals';
import { ETCD } from 'rxetcd/angular';
import { createTestEtcd, type TestEtcd } from 'rxetcd/testing';
import { createApp } from '../../support/angularApp.js';

/** An app with a client, and the injector of a part of it that can be destroyed separately. */
export interface App extends TestEtcd {
  readonly injector: EnvironmentInjector;
  readonly part: EnvironmentInjector;
  /** Runs a function as the constructor of a service in the part. */
  run<T>(construct: () => T): T;
  /** Detects changes, as the app does after a change of a signal: effects run. */
  tick(): void;
  /** Resolves when nothing is pending, and a server would send the page. */
  stable(): Promise<void>;
}

/** Starts an app without zone.js, without a document, and with an etcd in memory, for each test. */
export function withApp(...providers: (Provider | EnvironmentProviders)[]): () => App {
  let app: App;
  beforeEach(() => {
    const etcd = createTestEtcd();
    const injector = createApp({ provide: ETCD, useValue: etcd.etcd }, ...providers);
    const part = createEnvironmentInjector([], injector);
    app = {
      ...etcd,
      injector,
      part,
      run: (construct) => runInInjectionContext(part, construct),
      tick: () => injector.get(ApplicationRef).tick(),
      stable: () => injector.get(ApplicationRef).whenStable(),
    };
  });
  afterEach(async () => {
    app.injector.destroy();
    await app.server.close();
  });
  return () => app;
}
