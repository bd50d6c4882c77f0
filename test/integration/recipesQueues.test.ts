import { afterEach, describe, expect, test } from '@jest/globals';
import type { Client, Queue } from 'rxetcd';
import { map, repeat, takeUntil, tap, timer, type Observable } from 'rxjs';
import { once, startInterceptingProxy, type InterceptingProxy } from '../support/faultProxies/interceptingProxy.js';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { holding } from './support/holder.js';
import { all, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const count = (prefix: string) => only(fixture.etcd.kv.count({ prefix }));
const proxies: InterceptingProxy[] = [];
const interception = async (): Promise<InterceptingProxy> => {
  const proxy = await startInterceptingProxy(fixture.server.endpoint);
  proxies.push(proxy);
  return proxy;
};
afterEach(() => Promise.all(proxies.splice(0).map((proxy) => proxy.stop())));
const valueOf = async (queue: Pick<Queue, 'dequeue'>) => (await only(queue.dequeue())).value;

describe('a queue', () => {
  test('emits items in the order of their insertion, and waits while it is empty', async () => {
    const queue = fixture.etcd.queue('queue/fifo');
    const { key, revision } = await only(queue.enqueue('a'));
    expect(key).toMatch(/^queue\/fifo\/[^/]+$/);
    expect((await only(fixture.etcd.kv.get(key)))?.createRevision).toBe(revision);
    await only(queue.enqueue('b'));
    await only(queue.enqueue(Uint8Array.of(0xff)));
    expect([await valueOf(queue), await valueOf(queue)]).toEqual(['a', 'b']);
    expect((await only(queue.dequeue())).valueBytes).toEqual(Uint8Array.of(0xff));
    const waiter = holding(queue.dequeue());
    await only(fixture.etcd.kv.put('queue/fifo-not', ''));
    expect(waiter.has).toBe(false);
    await only(fixture.client().queue('queue/fifo').enqueue('late'));
    expect((await waiter.had).value).toBe('late');
    expect(await count('queue/fifo/')).toBe(0);
  });

  test('takes items of the Go recipes, by age', async () => {
    await only(fixture.etcd.kv.put('queue/go/1700000000000000002', 'first'));
    await only(fixture.etcd.kv.put('queue/go/1700000000000000001', 'second'));
    const queue = fixture.etcd.queue('queue/go');
    expect([await valueOf(queue), await valueOf(queue)]).toEqual(['first', 'second']);
  });

  /** Takes items until none has come for a while after all were added. */
  const taker = (queue: Pick<Queue, 'dequeue'>, taken: string[]): Observable<unknown> =>
    queue.dequeue().pipe(
      tap(({ value }) => taken.push(value)),
      repeat(),
    );

  async function exactlyOnce(
    of: (etcd: Client) => { enqueue(value: string, index: number): Observable<unknown>; dequeue: Queue['dequeue'] },
  ): Promise<string[]> {
    const clients = [fixture.etcd, fixture.client(), fixture.client()];
    const taken: string[] = [];
    const takers = clients.flatMap((etcd) => [0, 1].map(() => taker(of(etcd), taken).subscribe()));
    const items = Array.from({ length: 60 }, (_, index) => String(index));
    await Promise.all(
      clients.map(async (etcd, writer) => {
        for (const item of items.filter((_, index) => index % 3 === writer)) await only(of(etcd).enqueue(item, Number(item)));
      }),
    );
    await waitForValue(
      () => taken.length,
      (length) => length >= items.length,
    );
    for (const each of takers) each.unsubscribe();
    expect(taken.toSorted()).toEqual(items.toSorted());
    return taken;
  }

  test('delivers each item to exactly one of many consumers', async () => {
    await exactlyOnce((etcd) => etcd.queue('queue/once'));
    await waitForValue(
      () => count('queue/once/'),
      (items) => items === 0,
    );
  });

  test('loses no item to consumers that unsubscribe at any moment', async () => {
    const items = Array.from({ length: 40 }, (_, index) => String(index));
    const queue = fixture.etcd.queue('queue/impatient');
    for (const item of items) await only(queue.enqueue(item));
    const taken: string[] = [];
    const give = (ms: number): Observable<unknown> =>
      queue.dequeue().pipe(
        tap(({ value }) => taken.push(value)),
        takeUntil(timer(ms)),
      );
    for (let round = 0; round < 60; round++) await all(give(round % 6));
    await waitForValue(
      () => count('queue/impatient/'),
      (left) => left === items.length - taken.length,
    );
    while (taken.length < items.length) taken.push(await valueOf(queue));
    expect(taken.toSorted()).toEqual(items.toSorted());
    expect(await count('queue/impatient/')).toBe(0);
  });

  describe.each([
    ['a queue', (etcd: Client) => etcd.queue('queue/kept'), 'queue/kept/'],
    [
      'a priority queue',
      (etcd: Client) => {
        const { dequeue, enqueue } = etcd.priorityQueue('prio/kept');
        return { dequeue, enqueue: (value: string) => enqueue(value, 1) };
      },
      'prio/kept/',
    ],
  ] as const)('an item of %s that was taken for a consumer that has left', (_, make, prefix) => {
    /** Takes the first item, and unsubscribes before the response arrives; the item is then put back. */
    async function leaveWhileTaking(whenTaken: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
      const proxy = await interception();
      const etcd = fixture.client({ endpoints: proxy.endpoint });
      const taken = new Promise<void>((resolve, reject) => {
        const leave = async () => {
          await whenTaken();
          taker.leave();
        };
        proxy.intercept = once(({ path, body }) => path === '/kv/txn' && /delete_?range/i.test(body), {
          after: () => leave().then(resolve, reject),
          answered: true,
        });
      });
      const taker = holding(make(etcd).dequeue());
      await taken;
      // The next taker waits for the item that is put back.
      await etcd.close();
      expect(taker.has).toBe(false);
    }

    test('keeps its position, its key and its value, however often', async () => {
      const queue = make(fixture.etcd);
      const keys: string[] = [];
      for (const value of ['a', 'b', 'c']) keys.push((await only(queue.enqueue(value))).key);
      await leaveWhileTaking();
      await leaveWhileTaking();
      await only(queue.enqueue('d'));
      const items = [await only(queue.dequeue()), await only(queue.dequeue()), await only(queue.dequeue()), await only(queue.dequeue())];
      expect(items.map(({ value }) => value)).toEqual(['a', 'b', 'c', 'd']);
      expect(items.slice(0, 3).map(({ key }) => key)).toEqual(keys);
      expect(await count(prefix)).toBe(0);
    });

    test('keeps its position before later items, although the queue was empty', async () => {
      const queue = make(fixture.etcd);
      await only(queue.enqueue('a'));
      await leaveWhileTaking(() => only(queue.enqueue('b')));
      expect([await valueOf(queue), await valueOf(queue)]).toEqual(['a', 'b']);
    });

    test('is delivered at once to a waiting consumer', async () => {
      const queue = make(fixture.etcd);
      await only(queue.enqueue('a'));
      const waiter = { taken: undefined as ReturnType<typeof valueOf> | undefined };
      await leaveWhileTaking(() => {
        waiter.taken = valueOf(queue);
        return only(fixture.etcd.kv.get('queue/warm'));
      });
      expect(await waiter.taken).toBe('a');
      expect(await count(prefix)).toBe(0);
    });

    test('keeps its lease', async () => {
      const queue = make(fixture.etcd);
      const { id } = await only(fixture.etcd.lease.grant(60));
      const { key } = await only(queue.enqueue('a'));
      await only(fixture.etcd.kv.put(key, 'a', { lease: id }));
      await leaveWhileTaking();
      expect(await count(prefix)).toBe(1);
      await only(fixture.etcd.lease.revoke(id));
      expect(await count(prefix)).toBe(0);
    });
  });

  test('puts an item of a priority queue next to a new one of the Go recipes with the same number', async () => {
    const { kv } = fixture.etcd;
    const queue = fixture.etcd.priorityQueue('prio/number');
    await only(queue.enqueue('ours', 1));
    const proxy = await interception();
    const etcd = fixture.client({ endpoints: proxy.endpoint });
    await new Promise<void>((resolve, reject) => {
      const leave = async () => {
        await only(kv.put('prio/number/00001/0000000000000000', 'theirs'));
        taker.leave();
      };
      proxy.intercept = once(({ path, body }) => path === '/kv/txn' && /delete_?range/i.test(body), {
        after: () => leave().then(resolve, reject),
        answered: true,
      });
      const taker = holding(etcd.priorityQueue('prio/number').dequeue());
    });
    await etcd.close();
    await only(queue.enqueue('next', 1));
    expect([await valueOf(queue), await valueOf(queue), await valueOf(queue)]).toEqual(['theirs', 'ours', 'next']);
  });

  test('leaves the items to others that a dead consumer had not taken', async () => {
    const queue = fixture.etcd.queue('queue/dies');
    for (const item of ['a', 'b', 'c']) await only(queue.enqueue(item));
    const proxy = await startTcpProxy(fixture.server.endpoint);
    const dying = fixture.client({ endpoints: proxy.endpoint });
    await only(dying.kv.get('warm'));
    // It has read the first item, and ends before it can take it.
    proxy.up.stall();
    const taker = holding(dying.queue('queue/dies').dequeue());
    expect([await valueOf(queue), await valueOf(queue), await valueOf(queue)]).toEqual(['a', 'b', 'c']);
    expect(taker.has).toBe(false);
    taker.leave();
    await proxy.close();
  });

  test('fails with AmbiguousWrite if it is unknown whether an item was taken', async () => {
    const queue = fixture.etcd.queue('queue/lost');
    await only(queue.enqueue('a'));
    const proxy = await startTcpProxy(fixture.server.endpoint);
    // No read may be sent twice on a busy machine, as bytes are counted.
    const etcd = fixture.client({ endpoints: proxy.endpoint, attemptTimeoutMs: 30_000 });
    const { bytes: before } = (await only(etcd.kv.range({ prefix: 'queue/lost/' }, { limit: 1 })), proxy.down);
    await only(etcd.kv.range({ prefix: 'queue/lost/' }, { limit: 1, sortTarget: 'MOD', sortOrder: 'ASCEND' }));
    const answer = proxy.down.bytes - before;
    proxy.down.cutAfter(answer + 10);
    await failureWith('AmbiguousWrite', etcd.queue('queue/lost').dequeue());
    expect(await count('queue/lost/')).toBe(0);
    await proxy.close();
  });

  test('ends with an error when the client is closed while it waits', async () => {
    const etcd = fixture.client();
    const waiter = holding(etcd.queue('queue/closed').dequeue());
    await only(etcd.kv.get('queue/closed'));
    await etcd.close();
    expect(await waiter.lost).toMatchObject({ reason: 'ClientClosed' });
    expect(() => fixture.etcd.queue('')).toThrow('name of a queue');
  });

  describe('a priority queue', () => {
    test('emits the lowest number first, and the oldest of equal numbers', async () => {
      const queue = fixture.etcd.priorityQueue('prio/order');
      for (const [value, priority] of [
        ['e', 65_535],
        ['c', 10],
        ['d', 10],
        ['a', 0],
        ['b', 9],
      ] as const)
        await only(queue.enqueue(value, priority));
      expect(
        await only(fixture.etcd.kv.range({ prefix: 'prio/order/' }, { keysOnly: true }).pipe(map(({ kvs }) => kvs.map(({ key }) => key)))),
      ).toEqual([
        'prio/order/00000/0000000000000000',
        'prio/order/00009/0000000000000000',
        'prio/order/00010/0000000000000000',
        'prio/order/00010/0000000000000001',
        'prio/order/65535/0000000000000000',
      ]);
      const values: string[] = [];
      for (let taken = 0; taken < 5; taken++) values.push(await valueOf(queue));
      expect(values).toEqual(['a', 'b', 'c', 'd', 'e']);
    });

    test('continues the numbering of the Go recipes', async () => {
      await only(fixture.etcd.kv.put('prio/go/00007/0000000000000041', 'theirs'));
      const queue = fixture.etcd.priorityQueue('prio/go');
      expect((await only(queue.enqueue('ours', 7))).key).toBe('prio/go/00007/0000000000000042');
      expect(await only(fixture.etcd.kv.exists('__prio/go/00007'))).toBe(true);
      expect([await valueOf(queue), await valueOf(queue)]).toEqual(['theirs', 'ours']);
    });

    test('delivers each item to exactly one of many consumers, with concurrent producers', async () => {
      await exactlyOnce((etcd) => {
        const queue = etcd.priorityQueue('prio/once');
        return { enqueue: (value, index) => queue.enqueue(value, index % 2), dequeue: () => queue.dequeue() };
      });
    });

    test('waits while it is empty, and rejects an invalid priority', async () => {
      const queue = fixture.etcd.priorityQueue('prio/wait');
      const waiter = holding(queue.dequeue());
      await only(queue.enqueue('x', 3));
      expect((await waiter.had).value).toBe('x');
      await failureWith('InvalidArgument', queue.enqueue('x', -1));
      await failureWith('InvalidArgument', queue.enqueue('x', 65_536));
    });
  });
});
