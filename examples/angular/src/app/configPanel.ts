import { Component, effect, inject, DOCUMENT, signal } from '@angular/core';
import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { injectEtcd, liveValueSignal } from 'rxetcd/angular';

const KEY = 'app/config';
const Config = t.type({ title: t.string, color: t.string });

/** Follows a typed config, and paints the page with it. An invalid value is shown beside the last valid one. */
@Component({
  selector: 'app-config',
  template: `
    <section id="config" [attr.data-status]="config().status">
      <h2>{{ config().value?.title ?? 'No config' }}</h2>
      <p class="status">{{ config().status }}</p>
      @if (config().error; as error) {
        <p class="error" role="alert">{{ error.message }}</p>
      }
      <p>
        @for (color of colors; track color) {
          <button [style.background]="color" (click)="write({ title: 'Painted ' + color, color })">{{ color }}</button>
        }
        <button (click)="write({ title: 'Painted by mistake', color: 7 })">an invalid value</button>
        <button (click)="remove()">delete</button>
      </p>
      <p id="written" [attr.data-writes]="writes()">{{ written() }}</p>
    </section>
  `,
})
export class ConfigPanel {
  private readonly etcd = injectEtcd();
  protected readonly colors = ['teal', 'crimson', 'goldenrod'];
  protected readonly config = liveValueSignal(KEY, { codec: Config });
  /** The outcome of the last write. */
  protected readonly written = signal('');
  /** The number of writes that have ended. */
  protected readonly writes = signal(0);

  constructor() {
    const { documentElement } = inject(DOCUMENT);
    effect(() => documentElement.style.setProperty('--paint', this.config().value?.color ?? 'slategrey'));
  }

  protected write(value: unknown): void {
    this.run(this.etcd.kv.put(KEY, JSON.stringify(value)));
  }

  protected remove(): void {
    this.run(this.etcd.kv.delete(KEY));
  }

  private run(call: Observable<unknown>): void {
    const began = performance.now();
    this.written.set('writing …');
    const ended = (outcome: string): void => {
      this.written.set(outcome);
      this.writes.update((writes) => writes + 1);
    };
    call.subscribe({
      next: () => ended(`written in ${Math.round(performance.now() - began)} ms`),
      error: (error: unknown) => ended(String(error)),
    });
  }
}
