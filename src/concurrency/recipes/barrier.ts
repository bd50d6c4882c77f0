import { defer, map, type Observable } from 'rxjs';
import { checkOptions, LEASE } from '../../model/validate.js';
import { key as on } from '../../model/compare.js';
import type { LeaseId } from '../../model/ids.js';
import { put } from '../../model/op.js';
import { checkName } from '../names.js';
import type { QueueMeans } from '../lock/waiterQueue.js';
import { whenGone } from './waiting.js';

/** How a barrier is held. */
export interface HoldOptions {
  /** A lease with whose end the barrier opens, should its holder die. Without it only `release` opens it. */
  readonly lease?: LeaseId;
}

/** A barrier: it is held, and all who wait before it go on when it is released. */
export interface Barrier {
  readonly name: string;
  /** Closes it; false where it was closed already. */
  hold(options?: HoldOptions): Observable<boolean>;
  /** Opens it for all who wait; false where it was open. */
  release(): Observable<boolean>;
  /** Emits once, and completes, when it is open: at once where nobody holds it. */
  wait(): Observable<void>;
}

/** The barriers of a client. */
export interface Barriers {
  /**
   * A barrier, which is the key of that name. Compatible with `Barrier` of etcd's Go recipes.
   *
   * ```ts
   * const barrier = etcd.barrier('migration');
   * barrier.wait().pipe(switchMap(() => serve())).subscribe();
   * ```
   */
  barrier(name: string): Barrier;
}

/** The barriers of a client. */
export function barriers(means: QueueMeans): Barriers {
  const { kv } = means;
  return {
    barrier: (name) => {
      checkName('a barrier', name);
      return {
        name,
        hold: (options = {}) =>
          defer(() => {
            const { lease } = checkOptions('hold', options, { lease: LEASE });
            return kv.txn({ compare: [on(name).missing()], success: [put(name, '', lease === undefined ? {} : { lease })] });
          }).pipe(map(({ succeeded }) => succeeded)),
        release: () => kv.delete(name).pipe(map(({ deleted }) => deleted > 0)),
        wait: () => defer(() => whenGone(means, name)).pipe(map(() => undefined)),
      };
    },
  };
}
