import { defer, type Observable } from 'rxjs';
import type { OwnershipEvent } from '../../model/ownershipEvent.js';
import { checkName, checkOptions, MILLISECONDS, type OptionKinds } from '../../model/validate.js';
import type { ConcurrencyContext } from '../context.js';
import { type LockHandle, type LockOptions, toLockHandle } from '../lock/lock.js';
import { acquire, enterQueue, SESSION_OPTIONS, type WaitStrategy } from '../lock/ownership.js';
import { acquireOnceOrAgain, type AnyOnLost, ON_LOST, type Reacquire, timeoutAcquire } from '../lock/reacquire.js';
import { waitForPredecessors } from '../lock/waiterQueue.js';

/** The options of `readLock` and `writeLock`. */
export type ReadWriteLockOptions = Omit<LockOptions, 'reentrant'>;

const READ_WRITE_LOCK_OPTIONS: OptionKinds<AnyOnLost<ReadWriteLockOptions>> = {
  ...SESSION_OPTIONS,
  timeoutMs: MILLISECONDS,
  onLost: ON_LOST,
};

/** Acquires a read or a write lock. */
export interface ReadWriteLock {
  (name: string, options: Omit<ReadWriteLockOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<LockHandle>>;
  (name: string, options?: ReadWriteLockOptions): Observable<LockHandle>;
}

/** Creates the methods `readLock` and `writeLock`. */
export function readWriteLocks(context: ConcurrencyContext) {
  const lockOf = (kind: 'read' | 'write'): ReadWriteLock => {
    function lock(name: string, options: Omit<ReadWriteLockOptions, 'onLost'> & Reacquire): Observable<OwnershipEvent<LockHandle>>;
    function lock(name: string, options?: ReadWriteLockOptions): Observable<LockHandle>;
    function lock(name: string, options: AnyOnLost<ReadWriteLockOptions> = {}): Observable<LockHandle | OwnershipEvent<LockHandle>> {
      return defer(() => {
        checkName('a read/write lock', name);
        const { timeoutMs, onLost, ...rest } = checkOptions(`${kind}Lock`, options, READ_WRITE_LOCK_OPTIONS);
        // A reader waits only for writers that were created before.
        const folder = kind === 'read' ? `${name}/write` : name;
        const wait: WaitStrategy = (_, entry) => waitForPredecessors(context, entry, folder);
        const entries = enterQueue({ name: `${name}/${kind}`, wait }, rest, context);
        const once = acquire(entries, context, (entry) => toLockHandle({ ...entry, name }));
        return acquireOnceOrAgain(once, onLost, context).pipe(timeoutAcquire(`the ${kind} lock ${JSON.stringify(name)}`, timeoutMs));
      });
    }
    return lock;
  };

  return { readLock: lockOf('read'), writeLock: lockOf('write') };
}
