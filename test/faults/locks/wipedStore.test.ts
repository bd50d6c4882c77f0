import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { concat, firstValueFrom, lastValueFrom, range, mergeMap, type Observable } from 'rxjs';
import { createClient, type Client, type LeaseId } from '../../../src/index.js';
import { startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { serverWatches } from '../../integration/support/watching.js';
import { waitFor } from '../../support/waitFor.js';
import { collect, type Collected } from '../watch/support/collect.js';
import { QUICK } from '../watch/support/scene.js';

/**
 * The store is wiped while clients wait, so that their watches end with `FutureRev`. Each waiter uses a lease that was
 * passed to it: so only the key that it waits for shows it the wipe.
 */
describe('after the store is wiped', () => {
  let server: EtcdServer;
  let etcd: Client;
  let lease: LeaseId;

  beforeEach(async () => {
    server = await startEtcd({ own: true });
    etcd = createClient({ endpoints: server.endpoint, streams: QUICK });
    // The new store must have fewer revisions than the watches have seen.
    await lastValueFrom(range(0, 20).pipe(mergeMap((n) => etcd.kv.put(`history/${n}`, ''))));
    lease = (await firstValueFrom(etcd.lease.grant(600))).id;
  });
  afterEach(async () => {
    await etcd.close();
    await server.stop();
  });

  /** Creates the key of an owner that was there before, under another lease. */
  const owner = async (name: string): Promise<unknown> => {
    const { id } = await firstValueFrom(etcd.lease.grant(600));
    return firstValueFrom(etcd.kv.put(`${name}/owner`, '', { lease: id }));
  };
  const wiped = async (): Promise<void> => {
    await server.kill();
    await server.restart({ wipe: true });
  };
  /**
   * Waits until the server has this many watches. A watch shows that the client knows its key. The key alone would not,
   * as the response that reports it may be on its way when the server is killed.
   */
  const waitingWith = async <T>(watches: number, waiting: Observable<T>): Promise<Collected<T>> => {
    const seen = collect(waiting);
    await waitFor(`${watches} watches`, async () => (await serverWatches(etcd)) === watches);
    return seen;
  };

  test('a waiter of a lock fails with LockLost, as its key was deleted', async () => {
    await owner('lock');
    const waiting = await waitingWith(2, etcd.lock('lock', { lease }));
    await wiped();
    await waitFor('the loss', () => waiting.error !== undefined);
    expect([waiting.values, waiting.error]).toMatchObject([[], { reason: 'LockLost' }]);
  });

  test('a waiter of a permit fails with LockLost, as its key was deleted', async () => {
    await owner('semaphore');
    const waiting = await waitingWith(2, etcd.semaphore('semaphore', 1, { lease }));
    await wiped();
    await waitFor('the loss', () => waiting.error !== undefined);
    expect([waiting.values, waiting.error]).toMatchObject([[], { reason: 'LockLost' }]);
  });

  test('a wait for the release of a lock ends, as there is no owner', async () => {
    await owner('free');
    const waiting = await waitingWith(1, etcd.whenUnlocked('free'));
    await wiped();
    await waitFor('the end', () => waiting.completed || waiting.error !== undefined);
    expect([waiting.values, waiting.error]).toEqual([[undefined], undefined]);
  });

  test('a wait for a barrier ends, as the barrier is not held any more', async () => {
    await firstValueFrom(etcd.barrier('barrier').hold({ lease }));
    const waiting = await waitingWith(1, etcd.barrier('barrier').wait());
    await wiped();
    await waitFor('the end', () => waiting.completed || waiting.error !== undefined);
    expect([waiting.values, waiting.error]).toEqual([[undefined], undefined]);
  });

  test('a double barrier that waits for others is lost, as the own key is gone', async () => {
    const waiting = await waitingWith(2, etcd.doubleBarrier('double', 2).enter({ lease }));
    await wiped();
    await waitFor('the loss', () => waiting.error !== undefined);
    expect([waiting.values, waiting.error]).toMatchObject([[], { reason: 'LockLost' }]);
  });

  test('a queue emits the next item of the new store', async () => {
    const taken = collect(concat(etcd.queue('queue').dequeue(), etcd.queue('queue').dequeue()));
    await firstValueFrom(etcd.queue('queue').enqueue('before'));
    await waitFor('the first item', () => taken.values.length === 1);
    await wiped();
    await firstValueFrom(etcd.queue('queue').enqueue('after'));
    await waitFor('the next item', () => taken.values.length === 2 || taken.error !== undefined);
    expect([taken.values.map(({ value }) => value), taken.error]).toEqual([['before', 'after'], undefined]);
  });
});
