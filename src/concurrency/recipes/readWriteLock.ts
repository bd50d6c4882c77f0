import { defer, map, type Observable } from 'rxjs';
import { checkOptions, MILLISECONDS, type OptionKinds } from '../../model/validate.js';
import { hadWithin, toOwnership, type LockOptions, type Ownership } from '../lock/lock.js';
import { checkName } from '../names.js';
import { awaitRivals } from '../lock/waiterQueue.js';
import { ownership, TENURE, type TenureMeans } from '../lock/ownership.js';

/** How a read or write lock is held, and waited for. */
export type ReadWriteLockOptions = Omit<LockOptions, 'reentrant'>;

const READ_WRITE_LOCK: OptionKinds<ReadWriteLockOptions> = { ...TENURE, timeoutMs: MILLISECONDS };

/** The read/write locks of a client. */
export interface ReadWriteLocks {
  /**
   * A lock that many may have at a time, but not while somebody has the {@link ReadWriteLocks.writeLock} of the same name, or waits for it since before. Owned as long as it
   * is subscribed to, like a lock. Compatible with `RWMutex` of etcd's Go recipes (`<name>/read/…`, `<name>/write/…`).
   *
   * ```ts
   * etcd.readLock('catalogue').pipe(switchMap(() => readCatalogue()), take(1)).subscribe();
   * ```
   */
  readLock(name: string, options?: ReadWriteLockOptions): Observable<Ownership>;
  /** A lock that one has, and nobody else either lock of the same name. It waits for all who came before. */
  writeLock(name: string, options?: ReadWriteLockOptions): Observable<Ownership>;
}

/** The read/write locks of a client. */
export function readWriteLocks(means: TenureMeans): ReadWriteLocks {
  const lock = (name: string, kind: 'read' | 'write', options: ReadWriteLockOptions): Observable<Ownership> =>
    defer(() => {
      checkName('a read/write lock', name);
      const { timeoutMs, ...rest } = checkOptions(`${kind}Lock`, options, READ_WRITE_LOCK);
      // Those who have to be gone, as far as they came before.
      const rivals = kind === 'read' ? `${name}/write` : name;
      return ownership({ name: `${name}/${kind}`, turn: (_, place) => awaitRivals(means, place, rivals) }, rest, means).pipe(
        map((place) => toOwnership({ ...place, name })),
        hadWithin(`the ${kind} lock ${JSON.stringify(name)}`, timeoutMs),
      );
    });

  return {
    readLock: (name, options = {}) => lock(name, 'read', options),
    writeLock: (name, options = {}) => lock(name, 'write', options),
  };
}
