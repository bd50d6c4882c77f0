import { Component, input } from '@angular/core';
import * as t from 'io-ts';
import { liveValueSignal } from 'rxetcd/angular';

/** Shows the temperature of a room. */
@Component({
  selector: 'app-room',
  template: `
    <p class="room" [attr.data-room]="name()" [attr.data-status]="degrees().status" [title]="degrees().error?.message ?? ''">
      {{ name() }}: {{ degrees().value === undefined ? '–' : degrees().value + ' °C' }}
    </p>
  `,
})
export class RoomPanel {
  readonly name = input.required<string>();
  /** Follows the key of the present name. */
  protected readonly degrees = liveValueSignal(() => `rooms/${this.name()}`, { codec: t.number });
}
