import { defer, repeat, startWith, Subject, switchMap, tap, timer, type Observable } from 'rxjs';
import { monotonicNow } from '../../util/time.js';

/**
 * The time without data after which a stream is checked while the client is idle, in milliseconds. A dead stream is
 * detected within 15 s, which includes the timeout of the response.
 */
export const IDLE_CHECK_MS = 12_000;

/**
 * The time without data after which a stream is checked while the client is in use, in milliseconds. A dead stream is
 * detected within 5 s, which includes the timeout of the response.
 */
export const IN_USE_CHECK_MS = 2_500;

/** The minimum time between two checks, in milliseconds, even if there are many failures. */
const SHORTEST_CHECK_MS = 500;

/**
 * The reason for checking the streams earlier. `inUse`: the client began to use the endpoint, or to hold leases.
 * `suspected`: a request to the endpoint failed or is late.
 */
export type ActivityChange = 'inUse' | 'suspected';

/** Decides how often the streams at an endpoint are checked. */
export interface Activity {
  /**
   * Returns whether the client holds leases, or has called the endpoint repeatedly in the last seconds. If so, its
   * streams are checked more often.
   */
  readonly inUse: () => boolean;
  readonly changes: Observable<ActivityChange>;
}

/** Tracks whether a client holds leases. */
export class LeaseActivity {
  private holders = 0;
  private readonly begun = new Subject<ActivityChange>();

  get inUse(): boolean {
    return this.holders > 0;
  }

  get changes(): Observable<ActivityChange> {
    return this.begun;
  }

  begin(): void {
    this.holders += 1;
    if (this.holders === 1) this.begun.next('inUse');
  }

  end(): void {
    this.holders -= 1;
  }
}

/**
 * Emits when a check is due: seldom while the client is idle, and more often while it is in use. After a failure, a
 * check is due {@link SHORTEST_CHECK_MS} after the last one.
 *
 * @param times the time between two checks, in milliseconds
 */
export function checksDue({ inUse, changes }: Activity, times: { readonly idleMs: number; readonly inUseMs: number }): Observable<unknown> {
  const intervalMs = (): number => (inUse() ? times.inUseMs : times.idleMs);
  return defer(() => {
    let checkedAt = monotonicNow();
    const next = (change?: ActivityChange): Observable<unknown> => {
      let gapMs = change === 'suspected' ? Math.min(SHORTEST_CHECK_MS, intervalMs()) : intervalMs();
      return defer(() => timer(Math.max(0, checkedAt + gapMs - monotonicNow()))).pipe(
        tap(() => {
          checkedAt = monotonicNow();
          gapMs = intervalMs();
        }),
        repeat(),
      );
    };
    return changes.pipe(startWith(undefined), switchMap(next));
  });
}
