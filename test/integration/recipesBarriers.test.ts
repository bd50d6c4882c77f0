import { describe, expect, test } from '@jest/globals';
import { firstValueFrom, switchMap } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { holding } from './support/holder.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const count = (prefix: string) => only(fixture.etcd.kv.count({ prefix }));
const waiting = (name: string, waiters: number) =>
  waitForValue(
    () => count(`${name}/waiters/`),
    (there) => there === waiters,
  );

describe('a barrier', () => {
  test('blocks all waiters until it is released, and none while it is not held', async () => {
    const barrier = fixture.etcd.barrier('barrier/a');
    await only(barrier.wait());
    expect(await only(barrier.hold())).toBe(true);
    expect(await only(barrier.hold())).toBe(false);
    expect(await only(fixture.etcd.kv.get('barrier/a'))).toMatchObject({ value: '', lease: undefined });
    const waiters = [fixture.etcd, fixture.client()].map((etcd) => holding(etcd.barrier('barrier/a').wait()));
    await only(fixture.etcd.kv.put('barrier/other', ''));
    expect(waiters.map(({ has }) => has)).toEqual([false, false]);
    expect(await only(barrier.release())).toBe(true);
    await Promise.all(waiters.map(({ had }) => had));
    await waitForValue(
      () => waiters.every(({ completed }) => completed),
      (all) => all,
    );
    expect(await only(barrier.release())).toBe(false);
  });

  test('opens when the process that holds it dies, if it is held with a lease', async () => {
    const { id } = await only(fixture.etcd.lease.grant(60));
    const barrier = fixture.etcd.barrier('barrier/dies');
    await only(barrier.hold({ lease: id }));
    const waiter = holding(barrier.wait());
    expect(waiter.has).toBe(false);
    await only(fixture.etcd.lease.revoke(id));
    await waiter.had;
  });

  test('reports the release although the history was compacted meanwhile', async () => {
    const barrier = fixture.etcd.barrier('barrier/compacted');
    await only(barrier.hold());
    const waiter = holding(barrier.wait());
    const { header } = await only(fixture.etcd.kv.put('barrier/noise', ''));
    await only(fixture.etcd.kv.compact(header.revision));
    await only(barrier.release());
    await waiter.had;
  });

  test('does not open for a waiter when its client is closed', async () => {
    await only(fixture.etcd.barrier('barrier/closed').hold());
    const etcd = fixture.client();
    const waiter = holding(etcd.barrier('barrier/closed').wait());
    await only(etcd.kv.get('barrier/closed'));
    await etcd.close();
    expect(await waiter.lost).toMatchObject({ reason: 'ClientClosed' });
  });
});

describe('a double barrier', () => {
  test('lets all members enter together, and leave together', async () => {
    const barrier = [fixture.etcd, fixture.client(), fixture.client()].map((etcd) => etcd.doubleBarrier('double/a', 3));
    const entered = barrier.slice(0, 2).map((each) => holding(each.enter({ ttl: 10 })));
    await waiting('double/a', 2);
    expect(entered.map(({ has }) => has)).toEqual([false, false]);
    entered.push(holding(barrier[2]!.enter({ ttl: 10 })));
    const inside = await Promise.all(entered.map(({ had }) => had));
    expect(await only(fixture.etcd.kv.exists('double/a/ready'))).toBe(true);
    for (const { key } of inside) expect(key).toMatch(/^double\/a\/waiters\/[0-9a-f]+$/);

    const leaving = inside.slice(0, 2).map((each) => holding(each.leave()));
    await waiting('double/a', 2);
    expect(leaving.map(({ has }) => has)).toEqual([false, false]);
    leaving.push(holding(inside[2]!.leave()));
    await Promise.all(leaving.map(({ had }) => had));
    await waitForValue(
      () => entered.every(({ completed }) => completed),
      (all) => all,
    );
    expect(await count('double/a/')).toBe(0);
  });

  test('can be used for several rounds, whatever the order of leaving', async () => {
    for (let round = 0; round < 5; round++) {
      const order: string[] = [];
      const workers = [0, 1, 2, 3].map(async (player) => {
        const etcd = player % 2 === 0 ? fixture.etcd : fixture.client();
        const game = etcd.doubleBarrier('double/rounds', 4).enter({ ttl: 10 });
        await firstValueFrom(
          game.pipe(
            switchMap((entered) => {
              order.push('in');
              return entered.leave();
            }),
          ),
        );
        order.push('out');
      });
      await Promise.all(workers);
      expect(order).toEqual([...Array<string>(4).fill('in'), ...Array<string>(4).fill('out')]);
      await waitForValue(
        () => count('double/rounds/'),
        (keys) => keys === 0,
      );
    }
  });

  test('does not wait for a client that dies, or leaves without a request', async () => {
    const { id } = await only(fixture.etcd.lease.grant(60));
    const barrier = fixture.etcd.doubleBarrier('double/dies', 3);
    const dying = holding(barrier.enter({ lease: id }));
    await waiting('double/dies', 1);
    const rude = holding(barrier.enter({ ttl: 10 }));
    await waiting('double/dies', 2);
    const polite = holding(barrier.enter({ ttl: 10 }));
    const last = holding((await polite.had).leave());
    await dying.had;
    await rude.had;
    expect(last.has).toBe(false);
    await only(fixture.etcd.lease.revoke(id));
    expect(await dying.lost).toMatchObject({ reason: 'LockLost' });
    expect(last.has).toBe(false);
    rude.leave();
    await last.had;
  });

  test('counts only clients that are alive', async () => {
    const { id } = await only(fixture.etcd.lease.grant(60));
    const barrier = fixture.etcd.doubleBarrier('double/alive', 2);
    const dying = holding(barrier.enter({ lease: id }));
    await waiting('double/alive', 1);
    await only(fixture.etcd.lease.revoke(id));
    const others = [holding(barrier.enter({ ttl: 10 }))];
    await waiting('double/alive', 1);
    expect(others[0]?.has).toBe(false);
    others.push(holding(barrier.enter({ ttl: 10 })));
    await Promise.all(others.map(({ had }) => had));
    expect(await dying.lost).toMatchObject({ reason: 'LockLost' });
    for (const each of others) each.leave();
  });

  test('rejects more members than its size', async () => {
    const barrier = fixture.etcd.doubleBarrier('double/full', 1);
    const only1 = holding(barrier.enter({ ttl: 10 }));
    await only1.had;
    await failureWith('Locked', barrier.enter({ ttl: 10 }));
    await waiting('double/full', 1);
    only1.leave();
    await waiting('double/full', 0);
    expect(() => fixture.etcd.doubleBarrier('double/bad', 0)).toThrow('count of doubleBarrier: expected a whole number from 1');
    expect(() => fixture.etcd.barrier('')).toThrow('name of a barrier');
  });
});
