import { defer, filter, map, of, switchMap, take, throwError, type Observable } from 'rxjs';
import { checkArgument, checkOptions, MILLISECONDS, WHOLE, type OptionKinds } from '../../model/validate.js';
import { keyId } from '../../model/keyId.js';
import { persistently } from '../../watch/retryable.js';
import { hadWithin, toOwnership, type LockOptions, type Ownership } from '../lock/lock.js';
import { checkName } from '../names.js';
import { gone, type Place } from '../lock/waiterQueue.js';
import { ownership, TENURE, type TenureMeans, type Turn } from '../lock/ownership.js';
import { orCompacted } from './waiting.js';

/** How a permit is held, and waited for. */
export type SemaphoreOptions = Omit<LockOptions, 'reentrant'>;

const SEMAPHORE: OptionKinds<SemaphoreOptions> = { ...TENURE, timeoutMs: MILLISECONDS };

/** The semaphores of a client. */
export interface Semaphores {
  /**
   * One of so many permits, held as long as it is subscribed to: emits when it is had, and errors with `LockLost` the moment that it can no longer be sure. Unsubscribing gives it
   * back, or leaves the queue. Fair: who came first has one first. All who use a semaphore must give the same number of permits.
   *
   * The keys are those of a lock (`<name>/<lease in hex>`); etcd's Go client has no semaphore.
   *
   * ```ts
   * etcd.semaphore('imports', 3, { ttl: 15 }).pipe(switchMap(() => runImport()), take(1)).subscribe();
   * ```
   */
  semaphore(name: string, permits: number, options?: SemaphoreOptions): Observable<Ownership>;
}

/** The semaphores of a client. */
export function semaphores(means: TenureMeans): Semaphores {
  return {
    semaphore: (name, permits, options = {}) =>
      defer(() => {
        checkName('a semaphore', name);
        checkArgument('semaphore', 'permits', permits, WHOLE);
        const { timeoutMs, ...rest } = checkOptions('semaphore', options, SEMAPHORE);
        return ownership({ name, turn: oneOf(permits) }, rest, means).pipe(
          map(toOwnership),
          hadWithin(`a permit of ${JSON.stringify(name)}`, timeoutMs),
        );
      }),
  };
}

/**
 * Comes when fewer than so many are before it. Who they are is asked once, and then those are counted off who go: a key that is made later is behind it.
 * So nobody asks anything when a permit is given back.
 */
function oneOf(permits: number): Turn {
  return function turn(means, place) {
    const prefix = `${place.name}/`;
    const present = means.kv.range({ prefix }, { maxCreateRevision: place.revision, keysOnly: true });
    return persistently(present, means.leases.settings).pipe(
      switchMap(({ kvs, header }): Observable<Place> => {
        const ahead = new Set(kvs.map(keyId));
        const mine = { ...place, seenAt: header.revision, first: true };
        if (!ahead.delete(place.key)) return throwError(() => gone(place));
        if (ahead.size < permits) return of(mine);
        const left = means.watch({ prefix }, { startRevision: header.revision + 1, noPut: true }).pipe(
          filter(({ kv }) => {
            const id = keyId(kv);
            if (id === place.key) throw gone(place);
            return ahead.delete(id) && ahead.size < permits;
          }),
          take(1),
          map(() => mine),
        );
        return orCompacted(left, () => turn(means, place));
      }),
    );
  };
}
