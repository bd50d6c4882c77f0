import { inject, provideBrowserGlobalErrorListeners } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';
import { provideEtcd } from 'rxetcd/angular';
import { App } from './app/app';
import { Session } from './app/session';

const etcd = provideEtcd(() => inject(Session).clientOptions());

bootstrapApplication(App, { providers: [provideBrowserGlobalErrorListeners(), etcd] }).catch(console.error);
