import { TestScheduler } from 'rxjs/testing';
import { repairTimers } from '../../../src/testing/virtualTimers.js';

/** Starts a run in virtual time, and returns when nothing of it is left. */
export function inVirtualTime<R>(begin: () => R): R {
  const runs: R[] = [];
  new TestScheduler(() => undefined).run(() => {
    repairTimers();
    runs.push(begin());
  });
  const [run] = runs;
  if (run === undefined) throw new Error('it did not run');
  return run;
}
