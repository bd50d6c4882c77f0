import type { Subscription } from 'rxjs';
// eslint-disable-next-line rxjs-x/no-internal, no-restricted-imports -- the only way to give timers to RxJS's schedulers
import { intervalProvider } from 'rxjs/internal/scheduler/intervalProvider';
import { TestScheduler } from 'rxjs/testing';
import { requestText } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import type { WatchEvent } from '../../../src/index.js';
import type { MemoryEtcd } from '../../support/memory/servers.js';

/** Begins a run in virtual time, and returns it when nothing of it waits any more. */
export function inVirtualTime<R>(begin: () => R): R {
  const runs: R[] = [];
  const scheduler = new TestScheduler(() => undefined);
  scheduler.run(() => {
    intervalProvider.delegate = intervalsOf(scheduler);
    runs.push(begin());
  });
  const [run] = runs;
  if (run === undefined) throw new Error('it did not run');
  return run;
}

/**
 * Makes the timers of RxJS's schedulers, each of which runs at its own action. RxJS's own delegate runs the oldest timer that is due, at the action of any.
 * When that one ends another of the same frame, an action is left without a timer, and throws. It also goes through all timers for each.
 */
function intervalsOf(scheduler: TestScheduler): NonNullable<(typeof intervalProvider)['delegate']> {
  const actions = new Map<number, Subscription>();
  let last = 0;
  return {
    setInterval: (handler, duration = 0) => {
      const handle = ++last;
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
      actions.get(Number(handle))?.unsubscribe();
      actions.delete(Number(handle));
    },
  };
}

/**
 * Reads the history from the store itself, before any fault, until the server restarts: then all calls end without a word.
 *
 * @param onEvents called with the changes of one revision
 */
export function followHistory({ network }: MemoryEtcd, onEvents: (events: readonly WatchEvent[]) => void): void {
  const fail = (error?: unknown): never => {
    throw new Error('the watch of the history ended', { cause: error });
  };
  const observer = {
    next: ({ events }: { readonly events: readonly WatchEvent[] }) => onEvents(events),
    error: fail,
    complete: () => undefined,
  };
  const call = network.store.open(watchRpcs.watch, { isTrusted: true }, observer);
  call.send(requestText(watchRpcs.watch, { createRequest: { key: '\0', rangeEnd: '\0' } }));
}
