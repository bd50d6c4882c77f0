/**
 * The script of the page: it records everything that the page shows, and takes over the HTML that the server has
 * rendered.
 */
import '@angular/compiler';
import { bootstrapApplication, provideClientHydration } from '@angular/platform-browser';
import { provideEtcd } from 'rxetcd/angular';
import { App } from './app.ts';

const shown = () => [...globalThis.document.querySelectorAll('p')].map(({ textContent }) => textContent);
const first = [...globalThis.document.querySelectorAll('p')];
const views = [shown()];
new globalThis.MutationObserver(() => views.push(shown())).observe(globalThis.document.body, {
  subtree: true,
  childList: true,
  characterData: true,
});

const app = await bootstrapApplication(App, { providers: [provideEtcd({ endpoints: '/etcd' }), provideClientHydration()] });

globalThis.page = {
  /** Returns the texts that the page has shown, in order. */
  views: () => views,
  /** Returns whether the page still has the elements that the server has rendered. */
  isTakenOver: () => first.length > 0 && first.every(({ isConnected }) => isConnected),
  /** Shows another key, and returns the first line. */
  other: async () => {
    app.components[0].instance.key.set('app/other');
    await app.whenStable();
    return shown()[0];
  },
};
