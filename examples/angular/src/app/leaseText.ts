import { Component, input } from '@angular/core';
import { rxResource } from '@angular/core/rxjs-interop';
import { idToHex, type LeaseId } from 'rxetcd';
import { injectEtcd } from 'rxetcd/angular';

/** Shows a lease and its TTL, which is read once for each lease. */
@Component({
  selector: 'app-lease',
  template: `
    @if (lease(); as id) {
      <span class="lease">
        lease {{ hex(id) }}
        @if (granted.hasValue()) {
          of {{ granted.value().grantedTtl }} s
        }
      </span>
    }
  `,
})
export class LeaseText {
  readonly lease = input.required<LeaseId | undefined>();
  private readonly etcd = injectEtcd();
  protected readonly hex = idToHex;
  protected readonly granted = rxResource({
    params: () => this.lease(),
    stream: ({ params }) => this.etcd.lease.timeToLive(params),
  });
}
