import { asyncScheduler, Subscription } from 'rxjs';
import { steadyNow } from './steadyNow.js';

/** A timer that comes so much later than it was to shows that the process was busy with something else. Milliseconds. */
const LATE_MS = 10;

/**
 * Runs what is to be done where nothing has come for so many milliseconds. While a program computes, sockets wait as timers do, and timers go first: what has arrived by then is read before
 * anybody is said to have been silent.
 */
export function giveUpIn(ms: number, giveUp: () => void): Subscription {
  const dueAt = steadyNow() + ms;
  const timers = new Subscription();
  const onDue = (): void => {
    if (steadyNow() - dueAt > LATE_MS) timers.add(asyncScheduler.schedule(giveUp, 0));
    else giveUp();
  };
  timers.add(asyncScheduler.schedule(onDue, ms));
  return timers;
}
