import { Component, computed, inject } from '@angular/core';
import { connectionSignal } from 'rxetcd/angular';
import { ConfigPanel } from './configPanel';
import { LockPanel } from './lockPanel';
import { RoomPanel } from './roomPanel';
import { ServicePanel } from './servicePanel';
import { Session } from './session';
import { SignIn } from './signIn';

@Component({
  selector: 'app-root',
  imports: [ConfigPanel, LockPanel, RoomPanel, ServicePanel, SignIn],
  template: `
    <header>
      <strong>rxetcd in Angular</strong>
      <span id="connection" [attr.data-status]="connection().status" [title]="cause()">{{ connection().status }}</span>
    </header>
    @if (session.isOpen()) {
      <main>
        <app-config />
        <app-services />
        <app-lock />
        <section id="rooms">
          <h2>Rooms</h2>
          @for (name of session.settings.rooms; track name) {
            <app-room [name]="name" />
          }
        </section>
      </main>
    } @else {
      <app-sign-in />
    }
  `,
})
export class App {
  protected readonly session = inject(Session);
  protected readonly connection = connectionSignal();
  protected readonly cause = computed(() => {
    const state = this.connection();
    return state.status === 'reconnecting' ? state.cause.message : '';
  });
}
