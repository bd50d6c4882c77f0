import { defer, filter, map, of, switchMap, take, throwError, type Observable } from 'rxjs';
import { keyId } from '../../model/keyValue.js';
import type { OwnershipEvent } from '../../model/events.js';
import { checkArgument, checkName, checkOptions, MILLISECONDS, type OptionKinds, WHOLE } from '../../model/validate.js';
import { retryTransient } from '../../watch/retryable.js';
import type { ConcurrencyContext } from '../context.js';
import { type LockHandle, type LockOptions, toLockHandle } from '../lock/lock.js';
import { acquire, enterQueue, SESSION_OPTIONS, type WaitStrategy } from '../lock/ownership.js';
import { acquireOnceOrAgain, type AnyOnLost, ON_LOST, type Reacquire, timeoutAcquire } from '../lock/reacquire.js';
import { keyDeleted, rereadIfCompacted, type WaiterEntry } from '../lock/waiterQueue.js';

/** The options of `semaphore`, which are those of a lock. */
export type SemaphoreOptions = Omit<LockOptions, 'reentrant'>;

const SEMAPHORE_OPTIONS: OptionKinds<AnyOnLost<SemaphoreOptions>> = { ...SESSION_OPTIONS, timeoutMs: MILLISECONDS, onLost: ON_LOST };

/** Creates the method `semaphore`. */
export function semaphores(context: ConcurrencyContext) {
  function semaphore(
    name: string,
    permits: number,
    options: Omit<SemaphoreOptions, 'onLost'> & Reacquire,
  ): Observable<OwnershipEvent<LockHandle>>;
  function semaphore(name: string, permits: number, options?: SemaphoreOptions): Observable<LockHandle>;
  function semaphore(
    name: string,
    permits: number,
    options: AnyOnLost<SemaphoreOptions> = {},
  ): Observable<LockHandle | OwnershipEvent<LockHandle>> {
    return defer(() => {
      checkName('a semaphore', name);
      checkArgument('semaphore', 'permits', permits, WHOLE);
      const { timeoutMs, onLost, ...rest } = checkOptions('semaphore', options, SEMAPHORE_OPTIONS);
      const once = acquire(enterQueue({ name, wait: waitForPermit(permits) }, rest, context), context, toLockHandle);
      return acquireOnceOrAgain(once, onLost, context).pipe(timeoutAcquire(`a permit of ${JSON.stringify(name)}`, timeoutMs));
    });
  }
  return semaphore;
}

/**
 * Waits until fewer than `permits` entries are before an entry. These are read once, and then their deletions are
 * counted, as later keys are behind it. So the release of a permit causes no requests.
 */
function waitForPermit(permits: number): WaitStrategy {
  return function wait(context, entry) {
    const prefix = `${entry.name}/`;
    const present = context.kv.range({ prefix }, { maxCreateRevision: entry.revision, keysOnly: true });
    return retryTransient(present, context.settings).pipe(
      switchMap(({ kvs, header }): Observable<WaiterEntry> => {
        const ahead = new Set(kvs.map(keyId));
        const owner = { ...entry, observedRevision: header.revision, isOwner: true };
        if (!ahead.delete(entry.key)) return throwError(() => keyDeleted(entry));
        if (ahead.size < permits) return of(owner);
        const permitReleased = context.watch({ prefix }, { startRevision: header.revision + 1, noPut: true }).pipe(
          filter(({ kv }) => {
            const id = keyId(kv);
            if (id === entry.key) throw keyDeleted(entry);
            return ahead.delete(id) && ahead.size < permits;
          }),
          take(1),
          map(() => owner),
        );
        return rereadIfCompacted(permitReleased, () => wait(context, entry));
      }),
    );
  };
}
