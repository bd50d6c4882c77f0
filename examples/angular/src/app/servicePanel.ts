import { Component, computed, DestroyRef, inject, signal } from '@angular/core';
import { injectEtcd, liveSignal } from 'rxetcd/angular';
import { isRight } from 'fp-ts/Either';
import * as t from 'io-ts';
import type { KeyValue } from 'rxetcd';
import type { Subscription } from 'rxjs';
import { LeaseText } from './leaseText';

const PREFIX = 'services/';
/** The JSON that `services` and the resolver of gRPC write. */
const Registered = t.type({ Addr: t.string });

/** Returns what the page shows of an entry. A value that no registry wrote is shown unchanged. */
function rowOf(kv: KeyValue) {
  const registered = kv.json(Registered);
  const address = isRight(registered) ? registered.right.Addr : kv.value;
  return { key: kv.key, name: kv.key.slice(PREFIX.length), address, lease: kv.lease };
}

/** Lists the services and their leases as they come and go. The page can register as one of them. */
@Component({
  selector: 'app-services',
  imports: [LeaseText],
  template: `
    <section id="services" [attr.data-status]="services().status">
      <h2>Services</h2>
      <p class="status">{{ services().status }}</p>
      <ul>
        @for (service of list(); track service.key) {
          <li>
            <strong>{{ service.name }}</strong> {{ service.address }} <app-lease [lease]="service.lease" />
          </li>
        } @empty {
          <li>none</li>
        }
      </ul>
      <button (click)="toggle()">{{ registration() ? 'remove this page' : 'register this page' }}</button>
      @if (problem(); as text) {
        <p class="error" role="alert">{{ text }}</p>
      }
    </section>
  `,
})
export class ServicePanel {
  private readonly etcd = injectEtcd();
  protected readonly services = liveSignal({ prefix: PREFIX });
  protected readonly list = computed(() => [...(this.services().value?.values() ?? [])].map(rowOf));
  protected readonly registration = signal<Subscription | undefined>(undefined);
  protected readonly problem = signal<string | undefined>(undefined);

  constructor() {
    inject(DestroyRef).onDestroy(() => this.registration()?.unsubscribe());
  }

  /** Registers the page, or removes it: the entry exists as long as its registration is subscribed to. */
  protected toggle(): void {
    const current = this.registration();
    current?.unsubscribe();
    this.problem.set(undefined);
    this.registration.set(current === undefined ? this.register() : undefined);
  }

  private register(): Subscription {
    const id = `page-${crypto.getRandomValues(new Uint32Array(1)).join()}`;
    return this.etcd
      .services('services')
      .register(id, { addr: location.host })
      .subscribe({
        next: (event) => this.problem.set(event.type === 'lost' ? event.error.message : undefined),
        error: (error: unknown) => this.problem.set(String(error)),
      });
  }
}
