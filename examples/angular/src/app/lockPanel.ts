import { Component, DestroyRef, inject, signal } from '@angular/core';
import { injectEtcd } from 'rxetcd/angular';
import { Subscription } from 'rxjs';

type State = { readonly status: 'free' | 'waiting' } | { readonly status: 'held'; readonly token: number };

/** Acquires a lock, and releases it on request. Open the page twice to see one wait for the other. */
@Component({
  selector: 'app-lock',
  template: `
    <section id="lock" [attr.data-status]="state().status">
      <h2>Lock</h2>
      @let current = state();
      <p class="status">{{ current.status }}</p>
      @if (current.status === 'held') {
        <p>fencing token {{ current.token }}</p>
      }
      <button (click)="toggle()">{{ current.status === 'free' ? 'take' : 'release' }}</button>
      @if (problem(); as text) {
        <p class="error" role="alert">{{ text }}</p>
      }
    </section>
  `,
})
export class LockPanel {
  private readonly etcd = injectEtcd();
  private holding = Subscription.EMPTY;
  protected readonly state = signal<State>({ status: 'free' });
  protected readonly problem = signal<string | undefined>(undefined);

  constructor() {
    inject(DestroyRef).onDestroy(() => this.holding.unsubscribe());
  }

  protected toggle(): void {
    this.holding.unsubscribe();
    this.problem.set(undefined);
    if (this.state().status !== 'free') {
      this.state.set({ status: 'free' });
      return;
    }
    this.state.set({ status: 'waiting' });
    this.holding = this.etcd.lock('app/lock', { ttl: 15 }).subscribe({
      next: ({ revision }) => this.state.set({ status: 'held', token: revision }),
      error: (error: unknown) => {
        this.state.set({ status: 'free' });
        this.problem.set(String(error));
      },
    });
  }
}
