/** A page that follows the same config as `server.ts`. It shows each change at once. */
import { Component, computed } from '@angular/core';
import { liveConfigSignal } from 'rxetcd/angular';
import { DEFAULTS, LAYERS, SiteConfig } from './siteConfig.js';

@Component({
  selector: 'app-site',
  template: `
    <h1 [style.color]="config().value?.page?.color">{{ config().value?.page?.title }}</h1>
    @if (config().value?.maintenance) {
      <p>The site is being repaired.</p>
    }
    @if (rejected(); as reason) {
      <p role="alert">{{ reason }}</p>
    }
  `,
})
export class SitePage {
  protected readonly config = liveConfigSignal(LAYERS, { codec: SiteConfig, defaults: DEFAULTS });
  /** The keys that the config of the store is rejected for, while the last valid one stays in force. */
  protected readonly rejected = computed(() => (this.config().status === 'invalid' ? this.config().error?.message : undefined));
}
