import { asyncScheduler, defer, map, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { BytesLike } from '../../model/bytes.js';
import { key as on } from '../../model/compare.js';
import type { KeyValue } from '../../model/keyValue.js';
import { put } from '../../model/op.js';
import { checkName } from '../names.js';
import type { TenureMeans } from '../lock/ownership.js';
import { takeFirst } from './taking.js';

/** An item that was put into a queue. */
export interface Enqueued {
  readonly key: string;
  readonly revision: number;
}

/** A queue: first in, first out. */
export interface Queue {
  readonly name: string;
  /** Puts an item at the end, at most once: `AmbiguousWrite` where nobody knows whether it is there. */
  enqueue(value: BytesLike): Observable<Enqueued>;
  /**
   * Takes the item at the front, or waits for one: emits it, and completes. Each item goes to exactly one taker, and is gone from the queue then: what becomes of it when
   * the taker dies is not the queue's business. `AmbiguousWrite` where nobody knows whether it was taken.
   */
  dequeue(): Observable<KeyValue>;
}

/** The queues of a client. */
export interface Queues {
  /**
   * A queue of any number of writers and takers. Compatible with `Queue` of etcd's Go recipes (`<name>/<unique>`, by age).
   *
   * ```ts
   * etcd.queue('mails').dequeue().pipe(concatMap(({ value }) => send(value)), repeat()).subscribe();
   * ```
   */
  queue(name: string): Queue;
}

/** The queues of a client. */
export function queues(means: TenureMeans): Queues {
  return {
    queue: (name) => {
      checkName('a queue', name);
      return {
        name,
        enqueue: (value) =>
          defer(() => {
            const key = `${name}/${unique()}`;
            return means.kv.txn({ compare: [on(key).missing()], success: [put(key, value)] }).pipe(
              map(({ succeeded, header }) => {
                if (!succeeded) throw new EtcdError('Conflict', `the key ${JSON.stringify(key)} is there already`);
                return { key, revision: header.revision };
              }),
            );
          }),
        dequeue: () => takeFirst(`${name}/`, 'MOD', means),
      };
    },
  };
}

/** The time, for people who read it, and 64 bits of chance. The order of a queue is that of revisions. */
function unique(): string {
  const chance = crypto.getRandomValues(new Uint32Array(2));
  return `${asyncScheduler.now()}-${Array.from(chance, (part) => part.toString(16).padStart(8, '0')).join('')}`;
}
