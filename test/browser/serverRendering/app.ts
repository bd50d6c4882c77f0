/** An app that is rendered on a server, and continues in a page. */
import '@angular/compiler';
import { Component, computed, signal } from '@angular/core';
import * as t from 'io-ts';
import { combineLiveSignal, liveSignal, liveValueSignal } from 'rxetcd/angular';

/** The value has another type in JSON than in the program. */
const Since = new t.Type<Date, string, unknown>(
  'Since',
  (value): value is Date => value instanceof Date,
  (value, context) => (typeof value === 'string' ? t.success(new Date(value)) : t.failure(value, context)),
  (date) => date.toISOString(),
);
const Config = t.type({ color: t.string, since: Since });

export class App {
  /** How long rendering on the server waits for the first values, in milliseconds. */
  static serverTimeoutMs = 2_000;
  private readonly options = { serverTimeoutMs: App.serverTimeoutMs };
  readonly key = signal('app/config');
  private readonly reactive = liveValueSignal(this.key, { codec: Config, ...this.options });
  private readonly fixed = liveValueSignal('app/config', { codec: Config, ...this.options });
  private readonly missing = liveValueSignal('app/missing', { codec: Config, ...this.options });
  private readonly range = liveSignal({ prefix: 'app/names/' }, this.options);
  private readonly all = combineLiveSignal(
    {
      config: { key: 'app/config', codec: Config },
      pair: { key: 'app/config' },
      names: { prefix: 'app/names/' },
    },
    this.options,
  );
  private readonly apart = liveSignal({ prefix: 'app/names/' }, { transfer: false, ...this.options });

  /** Shows the values of all signals, one per line. */
  readonly lines = computed(() => {
    const [reactive, fixed, missing, range, all] = [this.reactive(), this.fixed(), this.missing(), this.range(), this.all()];
    const valuesOf = (kvs: typeof range.value): string => [...(kvs ?? [])].map(([key, { value }]) => `${key}=${value}`).join();
    return [
      `reactive ${reactive.status} ${reactive.value?.color} ${reactive.value?.since.getTime()}`,
      `fixed ${fixed.status} ${fixed.value?.color} ${fixed.value?.since.getTime()}`,
      `missing ${missing.status} ${missing.value?.color}`,
      `range ${range.status} ${valuesOf(range.value)}`,
      `all ${all.status} ${all.value?.config?.color} ${all.value?.pair?.version} ${valuesOf(all.value?.names)}`,
    ];
  });
  readonly lineOfApart = computed(() => `apart ${this.apart().status}`);
}

Component({
  selector: 'app-root',
  template: `@for (line of lines(); track $index) {
      <p>{{ line }}</p>
    }
    <i>{{ lineOfApart() }}</i>`,
})(App);
