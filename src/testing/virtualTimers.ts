import { type Subscription, VirtualTimeScheduler } from 'rxjs';
/* eslint-disable rxjs-x/no-internal, no-restricted-imports -- the only way to the timers of a TestScheduler */
import { dateTimestampProvider } from 'rxjs/internal/scheduler/dateTimestampProvider';
import { intervalProvider } from 'rxjs/internal/scheduler/intervalProvider';
/* eslint-enable rxjs-x/no-internal, no-restricted-imports -- the rest needs none of it */

type Timers = NonNullable<(typeof intervalProvider)['delegate']>;

const repaired = new WeakSet<Timers>();

/**
 * Corrects the timers within `TestScheduler.run`. The scheduler has an action for each timer. But at each action, the
 * `TestScheduler` of RxJS 7 runs the oldest due timer, which need not be the timer of that action. If the timer that
 * runs cancels another timer of the same frame, an action remains without a timer. RxJS then throws "Expected a due
 * immediate or interval". With the correction, each timer runs at its own action. After the run, RxJS itself removes
 * these timers.
 */
export function repairTimers(): void {
  const { delegate: timers } = intervalProvider;
  if (timers === undefined || repaired.has(timers)) return;
  const { delegate: scheduler } = dateTimestampProvider;
  if (!(scheduler instanceof VirtualTimeScheduler)) return;
  const own = timersOf(scheduler, timers);
  repaired.add(own);
  intervalProvider.delegate = own;
}

/**
 * Returns timers that run at their own actions.
 *
 * @param earlier the timers that were in use before, which can still be cleared
 */
function timersOf(scheduler: VirtualTimeScheduler, earlier: Timers): Timers {
  const actions = new Map<unknown, Subscription>();
  // The handles of RxJS's own timers are positive, so the handles of these timers are negative.
  let last = 0;
  return {
    setInterval: (handler, duration = 0) => {
      const handle = --last;
      const next = (): void => {
        const run = (): void => {
          next();
          handler();
        };
        actions.set(handle, scheduler.schedule(run, duration));
      };
      next();
      return handle;
    },
    clearInterval: (handle) => {
      const action = actions.get(handle);
      if (action === undefined) return earlier.clearInterval(handle);
      action.unsubscribe();
      actions.delete(handle);
    },
  };
}
