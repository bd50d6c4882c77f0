/** The script of the page: it writes down all that the page shows, and takes over what the server has rendered. */
import '@angular/compiler';
import { bootstrapApplication, provideClientHydration } from '@angular/platform-browser';
import { provideEtcd } from 'rxetcd/angular';
import { App } from './app.js';

interface Element {
  readonly textContent: string;
  readonly isConnected: boolean;
}
declare const document: { readonly body: Element; querySelectorAll(selector: string): Iterable<Element> };
declare class MutationObserver {
  constructor(changed: () => void);
  observe(target: Element, options: object): void;
}

const shown = (): readonly string[] => [...document.querySelectorAll('p')].map(({ textContent }) => textContent);
const first = [...document.querySelectorAll('p')];
const views = [shown()];
new MutationObserver(() => views.push(shown())).observe(document.body, { subtree: true, childList: true, characterData: true });

const app = await bootstrapApplication(App, { providers: [provideEtcd({ endpoints: '/etcd' }), provideClientHydration()] });

const page = {
  /** Returns what the page has shown, one after the other. */
  views: () => views,
  /** Tells whether the page still has the elements that the server has rendered. */
  isTakenOver: () => first.length > 0 && first.every(({ isConnected }) => isConnected),
  /** Shows another key, and then the first one again. */
  other: async () => {
    const { instance } = app.components[0] as unknown as { readonly instance: App };
    instance.key.set('app/other');
    await app.whenStable();
    return shown()[0];
  },
};
export type RenderedPage = typeof page;
Object.assign(globalThis, { page });
