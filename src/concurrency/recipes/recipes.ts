import type { Lives } from '../../watch/live/live.js';
import type { TenureMeans } from '../lock/ownership.js';
import { barriers, type Barriers } from './barrier.js';
import { doubleBarriers, type DoubleBarriers } from './doubleBarrier.js';
import { priorityQueues, type PriorityQueues } from './priorityQueue.js';
import { queues, type Queues } from './queue.js';
import { readWriteLocks, type ReadWriteLocks } from './readWriteLock.js';
import { semaphores, type Semaphores } from './semaphore.js';
import { serviceRegistry, type ServiceRegistry } from './serviceRegistry.js';

/** What is made of keys, leases and watches, and is not a lock or an election. */
export interface Recipes extends Semaphores, ReadWriteLocks, Barriers, DoubleBarriers, Queues, PriorityQueues, ServiceRegistry {}

/** The recipes of a client. */
export function recipes(means: TenureMeans, lives: Pick<Lives, 'live'>): Recipes {
  return {
    ...semaphores(means),
    ...readWriteLocks(means),
    ...barriers(means),
    ...doubleBarriers(means),
    ...queues(means),
    ...priorityQueues(means),
    ...serviceRegistry(means, lives),
  };
}
