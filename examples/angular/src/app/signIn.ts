import { Component, inject, signal } from '@angular/core';
import { hasReason } from 'rxetcd';
import { injectEtcd } from 'rxetcd/angular';
import { Session } from './session';

/** Asks for a user and a password, and tries them with a call. */
@Component({
  selector: 'app-sign-in',
  template: `
    <form id="sign-in" (submit)="$event.preventDefault(); signIn(username.value, password.value)">
      <label>User <input #username name="username" autocomplete="username" required /></label>
      <label>Password <input #password name="password" type="password" autocomplete="current-password" required /></label>
      <button [disabled]="busy()">Sign in</button>
      @if (problem(); as text) {
        <p class="error" role="alert">{{ text }}</p>
      }
    </form>
  `,
})
export class SignIn {
  private readonly session = inject(Session);
  private readonly etcd = injectEtcd();
  protected readonly busy = signal(false);
  protected readonly problem = signal<string | undefined>(undefined);

  protected signIn(username: string, password: string): void {
    this.session.credentials = { username, password };
    this.busy.set(true);
    this.etcd.kv.get('app/config').subscribe({
      next: () => this.session.isOpen.set(true),
      error: (error: unknown) => {
        this.busy.set(false);
        this.problem.set(hasReason(error, 'AuthFailed') ? 'The user or the password is wrong.' : String(error));
      },
    });
  }
}
