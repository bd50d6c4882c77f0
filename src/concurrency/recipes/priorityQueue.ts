import { defer, map, switchMap, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { BYTES, checkArgument, type OptionKind } from '../../model/validate.js';
import { key as on } from '../../model/compare.js';
import type { KeyValue } from '../../model/keyValue.js';
import { put } from '../../model/op.js';
import { persistently } from '../../watch/retryable.js';
import { checkName } from '../names.js';
import { untilDone } from '../transaction/optimisticRetry.js';
import type { TenureMeans } from '../lock/ownership.js';
import type { Enqueued } from './queue.js';
import { takeFirst } from './taking.js';

/** A queue from which the lowest priority number goes first, and of equals the one that came first. */
export interface PriorityQueue {
  readonly name: string;
  /** Puts an item behind those of its priority, from 0 (first) to 65 535, at most once: `AmbiguousWrite` where nobody knows whether it is there. */
  enqueue(value: BytesLike, priority: number): Observable<Enqueued>;
  /** As `dequeue` of a queue. */
  dequeue(): Observable<KeyValue>;
}

/** The priority queues of a client. */
export interface PriorityQueues {
  /**
   * A queue by priority. Compatible with `PriorityQueue` of etcd's Go recipes (`<name>/<priority, 5 digits>/<number, 16 digits>`).
   *
   * ```ts
   * const jobs = etcd.priorityQueue('jobs');
   * concat(jobs.enqueue('tidy up', 500), jobs.enqueue('put out fire', 0)).subscribe();
   * ```
   */
  priorityQueue(name: string): PriorityQueue;
}

const LAST = 65_535;
const PRIORITY: OptionKind = {
  what: `a whole number from 0 to ${LAST}`,
  is: (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LAST,
};

/** One of all who enqueue at once succeeds in each round: as many rounds as anybody could need. */
const ROUNDS = 10_000;

/** The priority queues of a client. */
export function priorityQueues(means: TenureMeans): PriorityQueues {
  return {
    priorityQueue: (name) => {
      checkName('a priority queue', name);
      return {
        name,
        enqueue: (value, priority) =>
          defer(() => {
            checkArgument('enqueue', 'value', value, BYTES);
            checkArgument('enqueue', 'priority', priority, PRIORITY);
            const folder = `${name}/${String(priority).padStart(5, '0')}`;
            return untilDone('the enqueueing', { maxTries: ROUNDS }, () => append(folder, value, means));
          }),
        dequeue: () => takeFirst(`${name}/`, 'KEY', means),
      };
    },
  };
}

/**
 * Makes the key with the next number; undefined where somebody else has made one meanwhile. All who make one write the key `__<folder>`, too, and the number holds only if that was
 * not written since: by the last key alone a number could be given twice, when it was taken out in between.
 */
function append(folder: string, value: BytesLike, { kv, leases }: TenureMeans): Observable<Enqueued | undefined> {
  const base = `__${folder}`;
  const last = kv.range({ prefix: `${folder}/` }, { limit: 1, sortTarget: 'KEY', sortOrder: 'DESCEND', keysOnly: true });
  return persistently(last, leases.settings).pipe(
    switchMap(({ kvs, header }) => {
      const key = `${folder}/${String(numberAfter(kvs[0])).padStart(16, '0')}`;
      return kv
        .txn({ compare: [on(base).modRevision.less(header.revision + 1)], success: [put(base, ''), put(key, value)] })
        .pipe(map(({ succeeded, header: { revision } }) => (succeeded ? { key, revision } : undefined)));
    }),
  );
}

function numberAfter(last: KeyValue | undefined): number {
  if (last === undefined) return 0;
  const digits = /\/(\d+)$/.exec(last.key)?.[1];
  if (digits === undefined) throw new EtcdError('InvalidArgument', `the key ${JSON.stringify(last.key)} is not one of a priority queue`);
  return Number(digits) + 1;
}
