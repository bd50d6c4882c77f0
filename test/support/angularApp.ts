// Angular's own classes are compiled when they are loaded, as no build has compiled them before.
import '@angular/compiler';
import {
  createNgModule,
  ErrorHandler,
  NgModule,
  platformCore,
  provideZonelessChangeDetection,
  ɵINJECTOR_SCOPE as INJECTOR_SCOPE,
  type EnvironmentInjector,
  type EnvironmentProviders,
  type Provider,
} from '@angular/core';

/** Creates the injector of an app without zone.js and without a document. */
export function createApp(...providers: (Provider | EnvironmentProviders)[]): EnvironmentInjector {
  // The scope comes from BrowserModule, which needs a document.
  const root = [{ provide: INJECTOR_SCOPE, useValue: 'root' }, ErrorHandler, provideZonelessChangeDetection()];
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- Angular's modules have no members
  class AppModule {}
  NgModule({ providers: [...root, ...providers] })(AppModule);
  return createNgModule(AppModule, platformCore().injector).injector;
}
