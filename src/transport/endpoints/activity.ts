import { defer, repeat, startWith, Subject, switchMap, tap, timer, type Observable } from 'rxjs';
import { monotonicNow } from '../../util/time.js';

/** How long an endpoint counts as in use after it has responded to a call, in milliseconds. */
const RECENT_MS = 5_000;
/**
 * How long an endpoint must have responded to calls before it counts as in use, in milliseconds. The requests with
 * which a watch begins are not such use.
 */
const LASTING_MS = 1_000;

/**
 * How long a stream may be silent while its client is idle, in milliseconds. With the time for a response, a dead one
 * is found within 15 s.
 */
export const IDLE_CHECK_MS = 12_000;

/**
 * How long a stream may be silent while its client is in use, in milliseconds. With the time for a response, a dead one
 * is found within 5 s.
 */
export const IN_USE_CHECK_MS = 2_500;

/** The shortest time between two checks, however much fails meanwhile, in milliseconds. */
const SHORTEST_CHECK_MS = 500;

/** Why streams are checked earlier: the client began to use the endpoint, or something failed there. */
export type ActivityChange = 'inUse' | 'suspected';

/** How closely the streams at an endpoint are checked. */
export interface Activity {
  /**
   * Returns whether the client holds leases, or called the endpoint a moment ago: its streams are checked more often
   * then.
   */
  readonly inUse: () => boolean;
  readonly changes: Observable<ActivityChange>;
}

/** Knows whether an endpoint is responding to calls. */
export class CallActivity {
  private usedSince = -Infinity;
  private usedAt = -Infinity;
  private readonly begun = new Subject<ActivityChange>();

  get inUse(): boolean {
    return this.isLasting && monotonicNow() - this.usedAt < RECENT_MS;
  }

  get changes(): Observable<ActivityChange> {
    return this.begun;
  }

  /** Records that a part of a response arrived. */
  answered(now: number): void {
    if (now - this.usedAt >= RECENT_MS) this.usedSince = now;
    const wasLasting = this.usedAt > this.usedSince && this.isLasting;
    this.usedAt = now;
    if (!wasLasting && this.isLasting) this.begun.next('inUse');
  }

  /** Has the streams checked at once. */
  suspect(): void {
    this.begun.next('suspected');
  }

  private get isLasting(): boolean {
    return this.usedAt - this.usedSince >= LASTING_MS;
  }
}

/** Knows whether a client holds leases. */
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
 * Emits whenever a check is due: seldom while the client is idle, more often while it is in use, and at once when
 * something failed.
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
