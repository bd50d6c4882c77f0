import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { get, put, type Client, type LockHandle, type Reentrancy } from 'rxetcd';
import type { Observable } from 'rxjs';
import { identity } from '../../src/node/nodePlatform.js';
import { cleanEnv } from '../support/etcd/run.js';
import { etcdctl } from '../support/etcd/index.js';
import { withEtcd } from './support/fixture.js';
import { holding, type Holder } from './support/holder.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const ann: Reentrancy = { holder: 'ann' };
const bob: Reentrancy = { holder: 'bob' };

const open: Holder<LockHandle>[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  for (const holder of open.splice(0)) holder.leave();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Requests a lock, and holds it once it is acquired. */
function enter(etcd: Client, name: string, reentrant: Reentrancy, ttl = 10): Holder<LockHandle> {
  const holder = holding(etcd.lock(name, { reentrant, ttl }));
  open.push(holder);
  return holder;
}

const count = (prefix: string) => only(fixture.etcd.kv.count({ prefix }));
const nothingLeft = (name: string) =>
  waitForValue(
    () => count(name),
    (keys) => keys === 0,
  );

/** A process that has to compile all of the TypeScript takes long on a busy machine. */
const START_MS = 60_000;

interface Child {
  readonly child: ChildProcess;
  /** The fencing token that the process printed first. */
  readonly revision: number;
  readonly lines: readonly string[];
}

/** A process that owns the lock. */
async function processThatOwns(name: string, reentrant: string, ...more: string[]): Promise<Child> {
  const script = 'test/integration/scripts/reentrant.ts';
  const child = spawn(process.execPath, ['--import', 'tsx', script, fixture.server.endpoint, name, reentrant, ...more], {
    env: cleanEnv(),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await waitForValue(
    () => lines.length,
    (length) => length > 0,
    START_MS,
  );
  expect(lines[0]).toMatch(/^owned \d+$/);
  return { child, revision: Number(lines[0]?.slice(6)), lines };
}

describe('a reentrant lock', () => {
  test('admits the same holder at once, also from another client, with one fencing revision and one guard for all', async () => {
    const first = await enter(fixture.etcd, 're/same', ann).had;
    const second = await enter(fixture.etcd, 're/same', ann).had;
    const third = await enter(fixture.client(), 're/same', ann).had;
    expect(second).toMatchObject({ revision: first.revision, key: first.key, lease: first.lease, guard: first.guard, alive: true });
    expect(third.revision).toBe(first.revision);
    expect(await count('re/same/')).toBe(1);
    expect((await only(fixture.etcd.kv.txn({ compare: [third.guard] }))).succeeded).toBe(true);
  });

  test('is released when the last of its subscribers unsubscribes, and leaves nothing behind', async () => {
    const first = enter(fixture.etcd, 're/last', ann);
    await first.had;
    const second = enter(fixture.client(), 're/last', ann);
    await second.had;
    const other = enter(fixture.etcd, 're/last', bob);
    await waitForValue(
      () => count('re/last/'),
      (places) => places === 2,
    );
    first.leave();
    await waitForValue(
      () => count('re/last.shares/ann/'),
      (shares) => shares === 1,
    );
    // The lock stays owned for longer than the first lease would have lasted.
    const again = enter(fixture.etcd, 're/last', ann);
    const third = await again.had;
    expect(third.revision).toBe((await second.had).revision);
    expect(other.has).toBe(false);
    second.leave();
    again.leave();
    expect((await other.had).revision).toBeGreaterThan(third.revision);
    other.leave();
    await nothingLeft('re/last');
  });

  test('keeps its lease alive after its first subscriber has unsubscribed', async () => {
    const first = enter(fixture.client(), 're/heir', ann, 5);
    const { lease } = await first.had;
    const heir = enter(fixture.etcd, 're/heir', ann, 5);
    await heir.had;
    first.leave();
    const { grantedTtl } = await only(fixture.etcd.lease.timeToLive(lease));
    const expired = performance.now() + (grantedTtl + 2) * 1_000;
    await waitForValue(
      () => performance.now(),
      (now) => now > expired,
    );
    expect(heir.has).toBe(true);
    expect(await count('re/heir/')).toBe(1);
  });

  test('counts the callers that share it', async () => {
    const { etcd } = fixture;
    const first = enter(etcd, 're/shares', ann);
    await first.had;
    const second = enter(etcd, 're/shares', ann);
    await second.had;
    const plain = etcd.lock('re/shares').subscribe({ error: () => undefined });
    const sharesOf = async (): Promise<readonly number[]> => (await only(etcd.lockWaiters('re/shares'))).map(({ shares }) => shares);
    await waitForValue(sharesOf, ({ length }) => length === 2);
    expect(await sharesOf()).toEqual([2, 1]);
    second.leave();
    await waitForValue(sharesOf, ([shares]) => shares === 1);
    plain.unsubscribe();
    first.leave();
  });

  test('excludes other holders, plain locks and etcdctl, and is excluded by them', async () => {
    const { etcd, server } = fixture;
    const owner = enter(etcd, 're/others', ann);
    await owner.had;
    await failureWith('DeadlineExceeded', etcd.lock('re/others', { reentrant: bob, timeoutMs: 200 }));
    await failureWith('DeadlineExceeded', etcd.lock('re/others', { timeoutMs: 200 }));
    await failureWith('Locked', etcd.tryLock('re/others', { reentrant: bob }));
    await failureWith('Locked', etcd.tryLock('re/others'));
    // The aborted waiters are leaving.
    await waitForValue(
      () => count('re/others/'),
      (places) => places === 1,
    );
    const locked = etcdctl(server, ['lock', 're/others', 'true']);
    await waitForValue(
      () => count('re/others/'),
      (places) => places === 2,
    );
    expect(await only(etcd.lockWaiters('re/others'))).toHaveLength(2);
    const late = enter(etcd, 're/others', bob);
    await waitForValue(
      () => count('re/others/'),
      (places) => places === 3,
    );
    // Although there are waiters.
    const again = enter(etcd, 're/others', ann);
    await again.had;
    owner.leave();
    again.leave();
    expect((await locked).code).toBe(0);
    await late.had;
  });

  test('admits all waiters of a holder together, with one queue entry', async () => {
    const owner = enter(fixture.etcd, 're/together', bob);
    await owner.had;
    const all = Array.from({ length: 8 }, (_, index) => enter(index % 2 === 0 ? fixture.etcd : fixture.client(), 're/together', ann));
    await waitForValue(
      () => count('re/together.shares/ann/'),
      (shares) => shares === 8,
    );
    expect(await count('re/together/')).toBe(2);
    owner.leave();
    const owned = await Promise.all(all.map((each) => each.had));
    expect(new Set(owned.map(({ revision }) => revision)).size).toBe(1);
    for (const each of all) each.leave();
    await nothingLeft('re/together');
  });

  test('leaves the queue when all of its waiters unsubscribe', async () => {
    const owner = enter(fixture.etcd, 're/patience', bob);
    await owner.had;
    const waiting = [enter(fixture.etcd, 're/patience', ann), enter(fixture.etcd, 're/patience', ann)];
    await waitForValue(
      () => count('re/patience.shares/ann/'),
      (shares) => shares === 2,
    );
    waiting[0]?.leave();
    await waitForValue(
      () => count('re/patience.shares/ann/'),
      (shares) => shares === 1,
    );
    expect(await count('re/patience/')).toBe(2);
    waiting[1]?.leave();
    await waitForValue(
      () => count('re/patience/'),
      (places) => places === 1,
    );
    owner.leave();
    await nothingLeft('re/patience');
  });

  test('is acquired by the same holder with tryLock', async () => {
    const owner = enter(fixture.etcd, 're/try', ann);
    const { revision } = await owner.had;
    const again = holding(fixture.etcd.tryLock('re/try', { reentrant: ann, ttl: 10 }));
    expect((await again.had).revision).toBe(revision);
  });

  test('fails for all subscribers when its key is deleted or its lease revoked', async () => {
    for (const lose of [
      ({ key }: LockHandle): Observable<unknown> => fixture.etcd.kv.delete({ key }),
      ({ lease }: LockHandle): Observable<unknown> => fixture.etcd.lease.revoke(lease),
    ]) {
      const owners = [enter(fixture.etcd, 're/lost', ann), enter(fixture.client(), 're/lost', ann)];
      const [ownership] = await Promise.all(owners.map(({ had }) => had));
      if (ownership === undefined) throw new Error('there are two');
      await only(lose(ownership));
      for (const { lost } of owners) expect(await lost).toMatchObject({ reason: 'LockLost' });
      expect(
        (
          await only(
            fixture.etcd.kv.txn({ compare: [ownership.guard], success: [put('re/lost-write', '1')], failure: [get('re/lost-write')] }),
          )
        ).succeeded,
      ).toBe(false);
      // A pointer to a deleted key does not block a caller.
      const next = enter(fixture.etcd, 're/lost', ann);
      expect((await next.had).revision).toBeGreaterThan(ownership.revision);
      next.leave();
      await nothingLeft('re/lost/');
    }
  });

  test('is lost only by the caller whose share is revoked', async () => {
    const { etcd } = fixture;
    const mine = await only(etcd.lease.grant(60));
    const first = holding(etcd.lock('re/share', { reentrant: ann, lease: mine.id }));
    await first.had;
    const second = enter(etcd, 're/share', ann);
    await second.had;
    await only(etcd.lease.revoke(mine.id));
    expect(await first.lost).toMatchObject({ reason: 'LockLost' });
    expect(await count('re/share.shares/ann/')).toBe(1);
    expect(second.has).toBe(true);
    second.leave();
    await nothingLeft('re/share');
  });

  test('that is unsubscribed before it is acquired leaves no key and no lease', async () => {
    const leases = async () => (await only(fixture.etcd.lease.leases())).leases.map(({ id }) => id);
    const before = new Set(await leases());
    const etcd = fixture.client();
    // It takes some round trips: for the leases of the share and of the queue entry, and for the keys.
    for (let round = 0; round < 60; round++) {
      const entering = etcd.lock(`re/early/${round}`, { reentrant: ann }).subscribe();
      for (let trips = round % 6; trips > 0; trips--) await only(etcd.kv.get('re/early'));
      entering.unsubscribe();
    }
    // It waits for the response to the request that was sent.
    expect(await etcd.close({ timeoutMs: 60_000 })).toMatchObject({ unreleased: [] });
    expect((await leases()).filter((id) => !before.has(id))).toEqual([]);
    expect(await count('re/early')).toBe(0);
  });

  test('has one queue entry for two callers that request it at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      const both = [enter(fixture.etcd, 're/race', ann), enter(fixture.client(), 're/race', ann)];
      const owned = await Promise.all(both.map((each) => each.had));
      expect(new Set(owned.map(({ revision }) => revision)).size).toBe(1);
      for (const each of both) each.leave();
    }
    await nothingLeft('re/race');
  });

  test('never has two holders at once, with many clients', async () => {
    const inside = new Map<string, number>();
    let overlaps = 0;
    const visit = async (holder: string): Promise<void> => {
      const owner = enter(fixture.etcd, 're/crowd', { holder });
      await owner.had;
      inside.set(holder, (inside.get(holder) ?? 0) + 1);
      if ([...inside.values()].filter((here) => here > 0).length > 1) overlaps += 1;
      await only(fixture.etcd.kv.get('re/crowd'));
      inside.set(holder, (inside.get(holder) ?? 0) - 1);
      owner.leave();
    };
    const holders = ['a', 'b', 'c'];
    await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        for (let round = 0; round < 3; round++) await visit(holders[index % 3] ?? '');
      }),
    );
    expect(overlaps).toBe(0);
    await nothingLeft('re/crowd');
  });

  test('rejects an invalid holder', async () => {
    await failureWith('InvalidArgument', fixture.etcd.lock('re/bad', { reentrant: { holder: '' } }));
    await failureWith('InvalidArgument', fixture.etcd.lock('re/bad', { reentrant: 'machine' as Reentrancy }));
    await failureWith('InvalidArgument', fixture.etcd.lock('', { reentrant: ann }));
  });
});

describe('the same holder', () => {
  test(
    'of type host is any process of this machine, which those of type process and thread are not',
    async () => {
      const { revision } = await processThatOwns('re/host', 'host');
      expect((await enter(fixture.etcd, 're/host', 'host').had).revision).toBe(revision);
      await processThatOwns('re/process', 'process');
      await failureWith('DeadlineExceeded', fixture.etcd.lock('re/process', { reentrant: 'process', timeoutMs: 300 }));
      await failureWith('DeadlineExceeded', fixture.etcd.lock('re/process', { reentrant: 'thread', timeoutMs: 300 }));
    },
    2 * START_MS,
  );

  test(
    'of type process includes a worker thread',
    async () => {
      const { lines, revision } = await processThatOwns('re/workers', 'process', 'worker');
      await waitForValue(
        () => lines.length,
        (length) => length === 2,
        START_MS,
      );
      expect(lines).toEqual([`owned ${revision}`, `owned ${revision}`]);
    },
    2 * START_MS,
  );

  test(
    'of type thread excludes a worker thread',
    async () => {
      await processThatOwns('re/threads', 'thread', 'worker');
      await waitForValue(
        () => count('re/threads/'),
        (places) => places === 2,
        START_MS,
      );
    },
    2 * START_MS,
  );

  test('of type process or thread is shared with the same name', () => {
    const { host, process: whole, thread } = identity();
    expect(whole.startsWith(`${host}/`)).toBe(true);
    expect(whole.endsWith(`/${process.pid}`)).toBe(true);
    expect(thread.startsWith(`${whole}/`)).toBe(true);
    expect(identity()).toEqual({ host, process: whole, thread });
  });

  test(
    'releases the lock when its last process has died, and not before',
    async () => {
      const { child, revision } = await processThatOwns('re/dies', 'host');
      const survivor = enter(fixture.etcd, 're/dies', 'host', 4);
      expect((await survivor.had).revision).toBe(revision);
      const other = enter(fixture.etcd, 're/dies', bob);
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      await waitForValue(
        () => count('re/dies.shares/host'),
        (keys) => keys === 2,
        START_MS,
      );
      expect([survivor.has, other.has]).toEqual([true, false]);
      survivor.leave();
      await other.had;
    },
    2 * START_MS,
  );

  test(
    'that dies alone releases the lock',
    async () => {
      const { child } = await processThatOwns('re/dies-alone', 'process');
      const other = enter(fixture.etcd, 're/dies-alone', bob);
      child.kill('SIGKILL');
      await other.had;
    },
    2 * START_MS,
  );

  test(
    'that exits cleanly leaves nothing behind',
    async () => {
      const { child } = await processThatOwns('re/ends', 'process');
      const gone = once(child, 'exit');
      child.stdin?.write('release\n');
      expect(await gone).toEqual([0, null]);
      await nothingLeft('re/ends');
    },
    2 * START_MS,
  );
});
