import { asapScheduler } from 'rxjs';

/**
 * Runs something when all that this turn of the event loop brought has been looked at: behind answers that came in together, before any that comes later. There is
 * no waiting in it.
 */
export const atEndOfTurn: (run: () => void) => void =
  typeof setImmediate === 'function' ? (run) => void setImmediate(run) : (run) => void asapScheduler.schedule(run);
