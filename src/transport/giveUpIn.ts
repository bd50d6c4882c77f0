import { asyncScheduler, type Subscription } from 'rxjs';
import { steadyNow } from './steadyNow.js';

/** A timer that comes so much later than it was to shows that the process was busy with something else. Milliseconds. */
const LATE_MS = 10;

/**
 * Runs what is to be done where nothing has come for so many milliseconds. While a program computes, sockets wait as timers do, and timers go first: what has arrived by then is read before
 * anybody is said to have been silent.
 */
export function giveUpIn(ms: number, giveUp: () => void): Subscription {
  const dueAt = steadyNow() + ms;
  return asyncScheduler.schedule<boolean>(
    function (hasRead = false) {
      if (hasRead || steadyNow() - dueAt <= LATE_MS) giveUp();
      else this.schedule(true, 0);
    },
    ms,
    false,
  );
}
