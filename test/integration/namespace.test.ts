import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as t from 'io-ts';
import { get, idToHex, key, put, range, txn, type Client, type KeyValue, type Namespace, type WatchEvent } from 'rxetcd';
import { filter, firstValueFrom, map, NEVER, ReplaySubject, switchMap, take, tap, toArray, type Observable } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { all, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

/** Returns a namespace that no other test uses. */
let count = 0;
function tenant(etcd: Client = fixture.etcd): { readonly prefix: string; readonly inside: Namespace } {
  const prefix = `tenants/${++count}/`;
  return { prefix, inside: etcd.namespace(prefix) };
}

const put1 = (namespace: Namespace, name: string, value = ''): Promise<unknown> => only(namespace.kv.put(name, value));

/** Returns the keys in the whole store with a prefix. */
const keysOf = async (prefix: string): Promise<string[]> => (await only(fixture.etcd.kv.range({ prefix }))).kvs.map(({ key }) => key);

// These run first, on a separate server: the streams of other tests may end, and so change the count, in between.
test('all namespaces of a client share one watch stream', async () => {
  const etcd = fixture.client();
  const streams = async (): Promise<number | undefined> =>
    (await only(fixture.etcd.metrics())).find(({ name }) => name === 'etcd_debugging_mvcc_watch_stream_total')?.samples[0]?.value;
  const watching = [etcd, tenant(etcd).inside, tenant(etcd).inside].map((each) => {
    const ready = new ReplaySubject<void>(1);
    return { ready, subscription: each.watchBatches('a').subscribe(() => ready.next()) };
  });
  for (const { ready } of watching) await firstValueFrom(ready);
  expect(await streams()).toBe(1);
  for (const { subscription } of watching) subscription.unsubscribe();
});

describe('the keys of a namespace', () => {
  test('have its prefix in the store, and none inside', async () => {
    const { prefix, inside } = tenant();
    await put1(inside, 'a', '1');
    expect(await keysOf(prefix)).toEqual([`${prefix}a`]);
    expect(await only(inside.kv.get('a'))).toMatchObject({ key: 'a', value: '1' });
    expect((await only(inside.kv.put('a', '2', { prevKv: true }))).prevKv?.key).toBe('a');
    expect(await only(inside.kv.exists('a'))).toBe(true);
    expect(await only(inside.kv.exists(`${prefix}a`))).toBe(false);
    expect((await only(inside.kv.delete('a', { prevKv: true }))).prevKvs.map(({ key }) => key)).toEqual(['a']);
    expect(await keysOf(prefix)).toEqual([]);
  });

  test('are the only ones that any range reads or deletes', async () => {
    const before = tenant();
    const { inside } = tenant();
    const after = tenant();
    for (const { inside: other } of [before, after]) await put1(other, 'a');
    for (const name of ['a', 'b', 'b/1', 'c']) await put1(inside, name);
    const names = async (which: Parameters<typeof inside.kv.range>[0]): Promise<string[]> =>
      (await only(inside.kv.range(which))).kvs.map(({ key }) => key);
    expect(await names({ all: true })).toEqual(['a', 'b', 'b/1', 'c']);
    expect(await names({ from: 'b' })).toEqual(['b', 'b/1', 'c']);
    expect(await names({ from: 'a', to: 'c' })).toEqual(['a', 'b', 'b/1']);
    expect(await names({ prefix: 'b' })).toEqual(['b', 'b/1']);
    expect(await only(inside.kv.count({ all: true }))).toBe(4);
    expect((await only(inside.kv.delete({ all: true }))).deleted).toBe(4);
    for (const { prefix } of [before, after]) expect(await keysOf(prefix)).toEqual([`${prefix}a`]);
  });

  test('are returned page by page', async () => {
    const { inside } = tenant();
    const other = tenant();
    await put1(other.inside, 'z');
    const names = Array.from({ length: 7 }, (_, index) => `k${index}`);
    for (const name of names) await put1(inside, name);
    const pages = await all(inside.kv.pages({ all: true }, { pageSize: 3 }));
    expect(pages.map(({ kvs }) => kvs.map(({ key }) => key))).toEqual([names.slice(0, 3), names.slice(3, 6), names.slice(6)]);
  });

  test('must not be empty: the prefix itself is no key of it', async () => {
    const { prefix, inside } = tenant();
    await only(fixture.etcd.kv.put(prefix, 'outside'));
    await failureWith('EmptyKey', inside.kv.put('', ''));
    expect(await only(inside.kv.count({ all: true }))).toBe(0);
    expect(await keysOf(prefix)).toEqual([prefix]);
  });

  test("may be any bytes, and two tenants never see each other's keys", async () => {
    const bytes = fc.array(fc.constantFrom(0, 1, 0x61, 0xff), { minLength: 1, maxLength: 3 }).map((values) => Uint8Array.from(values));
    const begins = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, index) => b[index] === byte);
    const tenants = fc.tuple(bytes, bytes).filter(([a, b]) => !begins(a, b) && !begins(b, a));
    await fc.assert(
      fc.asyncProperty(
        tenants,
        fc.uniqueArray(bytes, { maxLength: 4, selector: String }),
        fc.uniqueArray(bytes, { maxLength: 4, selector: String }),
        async (prefixes, ours, theirs) => {
          const root = fixture.etcd.namespace(`any/${++count}/`);
          const [us, them] = prefixes.map((prefix) => root.namespace(prefix)) as [Namespace, Namespace];
          for (const name of ours) await only(us.kv.put(name, 'ours'));
          for (const name of theirs) await only(them.kv.put(name, 'theirs'));
          const seen = (await only(us.kv.range({ all: true }))).kvs;
          expect(seen.map(({ keyBytes }) => String(keyBytes)).toSorted()).toEqual(ours.map(String).toSorted());
          expect(seen.every(({ value }) => value === 'ours')).toBe(true);
          expect((await only(us.kv.delete({ all: true }))).deleted).toBe(ours.length);
          expect(await only(them.kv.count({ all: true }))).toBe(theirs.length);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('a txn in a namespace', () => {
  test('compares, writes and reads keys of the namespace, also in a nested txn', async () => {
    const { prefix, inside } = tenant();
    await put1(inside, 'a', '1');
    const result = await only(
      inside.kv.txn({
        compare: [key('a').value.equals('1'), key({ prefix: 'none/' }).version.equals(0)],
        success: [
          put('b', '2', { prevKv: true }),
          range({ all: true }),
          txn({ compare: [key('b').exists()], failure: [put('c', '3'), get('c')] }),
        ],
      }),
    );
    if (!result.succeeded) throw new Error('its conditions hold');
    expect(result.responses[1].kvs.map(({ key }) => key)).toEqual(['a', 'b']);
    const inner = result.responses[2];
    expect(inner.succeeded ? undefined : inner.responses[1]?.key).toBe('c');
    expect(await keysOf(prefix)).toEqual([`${prefix}a`, `${prefix}b`, `${prefix}c`]);
  });

  test('returns the existing keys in the failure branch', async () => {
    const { inside } = tenant();
    await put1(inside, 'a', '1');
    const result = await only(inside.kv.txn({ compare: [key('a').missing()], success: [put('a', '2')], failure: [get('a')] }));
    expect(result.succeeded ? undefined : result.responses[0]).toMatchObject({ key: 'a', value: '1' });
  });

  test('is sent by stm and update as well', async () => {
    const { prefix, inside } = tenant();
    const next = (kv: KeyValue | undefined): string => String(Number(kv?.value ?? '0') + 1);
    await only(inside.update('n', next));
    await only(inside.stm((tx) => tx.get('n').pipe(tap((kv) => tx.put('n', next(kv))))));
    expect(await only(fixture.etcd.kv.get(`${prefix}n`))).toMatchObject({ value: '2' });
  });
});

describe.each(['auto', 'chunked'] as const)('a watch in a namespace, on the transport %s', (transport) => {
  test('emits its changes without the prefix, new and past ones', async () => {
    const etcd = fixture.client({ streams: { transport } });
    const { inside } = tenant(etcd);
    const other = tenant(etcd);
    const { header } = await only(inside.kv.put('a', '1'));
    await put1(other.inside, 'a', 'theirs');
    await only(inside.kv.put('a', '2'));
    await only(inside.kv.delete('a'));
    const events = await firstValueFrom(
      inside.watch({ all: true }, { startRevision: header.revision, prevKv: true }).pipe(take(3), toArray()),
    );
    const shown = events.map(({ type, kv, prevKv }) => [type, kv.key, kv.value, prevKv?.key, prevKv?.value]);
    expect(shown).toEqual([
      ['put', 'a', '1', undefined, undefined],
      ['put', 'a', '2', 'a', '1'],
      ['delete', 'a', '', 'a', '2'],
    ]);
  });

  test('emits no changes of other namespaces', async () => {
    const etcd = fixture.client({ streams: { transport } });
    const { inside } = tenant(etcd);
    const other = tenant(etcd);
    const seen: WatchEvent[] = [];
    const ready = new ReplaySubject<void>(1);
    const watching = inside.watchBatches({ all: true }).subscribe(({ type, events }) => {
      if (type === 'progress') ready.next();
      seen.push(...events);
    });
    await firstValueFrom(ready);
    await put1(other.inside, 'a');
    await put1(inside, 'end');
    await waitForValue(
      () => seen.length,
      (length) => length > 0,
    );
    watching.unsubscribe();
    expect(seen.map(({ kv }) => kv.key)).toEqual(['end']);
  });
});

describe('the live state of a namespace', () => {
  test('has names without the prefix, and follows its changes', async () => {
    const { inside } = tenant();
    await put1(inside, 'a', '1');
    const updates = inside.live({ all: true }).pipe(
      tap({
        next: ({ type }) => {
          if (type === 'snapshot') void only(inside.kv.put('b', '2'));
        },
      }),
      take(2),
      toArray(),
    );
    const [snapshot, change] = await firstValueFrom(updates);
    expect([...(snapshot?.state.keys() ?? [])]).toEqual(['a']);
    expect(change?.state.get('b')?.key).toBe('b');
    expect(change?.changes.map(({ kv }) => kv.key)).toEqual(['b']);
  });

  test('names the key of an invalid value without the prefix', async () => {
    const { inside } = tenant();
    await put1(inside, 'config', 'oops');
    const error = await failureWith('InvalidValue', inside.liveValue('config', { codec: t.number }));
    expect(error.key).toBe('config');
    expect(error.message).not.toContain('tenants');
  });
});

test('the keys of a lease include only those in the namespace', async () => {
  const { inside } = tenant();
  const other = tenant();
  const keys = inside.lease({ ttl: 60 }).pipe(
    filter(({ type }) => type === 'granted'),
    switchMap(({ id, lease }) =>
      other.inside.kv.put('theirs', '', { lease: id }).pipe(
        switchMap(() => inside.kv.put('ours', '', { lease: id })),
        switchMap(() => lease.keys()),
      ),
    ),
    map((list) => list.map((each) => new TextDecoder().decode(each))),
  );
  expect(await firstValueFrom(keys)).toEqual(['ours']);
});

describe('a lock in a namespace', () => {
  const owned = (source: Observable<unknown>): { readonly done: ReplaySubject<unknown>; release: () => void } => {
    const done = new ReplaySubject<unknown>(1);
    const subscription = source.subscribe(done);
    return { done, release: () => subscription.unsubscribe() };
  };

  test('has its key there, and a guard for txns there', async () => {
    const { prefix, inside } = tenant();
    const result = await firstValueFrom(
      inside
        .lock('jobs')
        .pipe(
          switchMap((ownership) =>
            inside.kv
              .txn({ compare: [ownership.guard], success: [put('done', '')] })
              .pipe(
                switchMap(({ succeeded }) =>
                  fixture.etcd.kv.range({ prefix }).pipe(map(({ kvs }) => ({ ownership, succeeded, keys: kvs.map(({ key }) => key) }))),
                ),
              ),
          ),
        ),
    );
    expect(result.ownership.key).toBe(`jobs/${idToHex(result.ownership.lease)}`);
    expect(result.succeeded).toBe(true);
    expect(result.keys).toEqual([`${prefix}done`, `${prefix}${result.ownership.key}`]);
  });

  test('excludes waiters of the namespace, and no others', async () => {
    const { prefix, inside } = tenant();
    const holder = owned(inside.lock('jobs'));
    await firstValueFrom(holder.done);
    await failureWith('Locked', fixture.client().namespace(prefix).tryLock('jobs'));
    expect(await firstValueFrom(tenant().inside.tryLock('jobs'))).toMatchObject({ name: 'jobs' });
    expect((await only(inside.lockWaiters('jobs'))).map(({ key }) => key)).toEqual([expect.stringMatching(/^jobs\/[0-9a-f]+$/)]);
    holder.release();
    await waitForValue(
      () => keysOf(prefix),
      (keys) => keys.length === 0,
    );
  });

  test('excludes waiters of the namespace with lockService as well', async () => {
    const { prefix, inside } = tenant();
    const { id } = await only(inside.lease.grant(60));
    const { key: owner } = await only(inside.lockService.lock('jobs', { lease: id }));
    expect(new TextDecoder().decode(owner)).toBe(`jobs/${idToHex(id)}`);
    expect(await keysOf(prefix)).toEqual([`${prefix}jobs/${idToHex(id)}`]);
    await only(inside.lockService.unlock(owner));
    expect(await keysOf(prefix)).toEqual([]);
  });
});

describe('an election in a namespace', () => {
  test('is won there, and its leader is emitted without the prefix', async () => {
    const { prefix, inside } = tenant();
    const leaders = firstValueFrom(inside.election('e').leader$.pipe(filter((leader) => leader?.value === 'me, too')));
    const led = await firstValueFrom(
      inside
        .election('e')
        .campaign('me')
        .pipe(
          switchMap((leadership) =>
            leadership.proclaim('me, too').pipe(
              switchMap(() => leaders),
              map((leader) => ({ leadership, leader })),
            ),
          ),
          switchMap((seen) => fixture.etcd.kv.range({ prefix }).pipe(map(({ kvs }) => ({ ...seen, keys: kvs.map(({ key }) => key) })))),
        ),
    );
    expect(led.leader?.key).toBe(led.leadership.key);
    expect(led.keys).toEqual([prefix + led.leadership.key]);
    expect(led.leadership.key.startsWith('e/')).toBe(true);
  });

  test('is won there with electionService as well', async () => {
    const { prefix, inside } = tenant();
    const { id } = await only(inside.lease.grant(60));
    const { leader } = await only(inside.electionService.campaign('e', 'me', { lease: id }));
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    expect([text(leader.name), text(leader.key)]).toEqual(['e', `e/${idToHex(id)}`]);
    await only(inside.electionService.proclaim(leader, 'still me'));
    expect((await only(inside.electionService.leader('e'))).kv).toMatchObject({ key: `e/${idToHex(id)}`, value: 'still me' });
    expect((await firstValueFrom(inside.electionService.observe('e'))).kv?.key).toBe(`e/${idToHex(id)}`);
    expect(await keysOf(prefix)).toEqual([`${prefix}e/${idToHex(id)}`]);
    await only(inside.electionService.resign(leader));
    await failureWith('ElectionNoLeader', inside.electionService.leader('e'));
  });
});

test('the recipes of a namespace share nothing with those of the same name in another one', async () => {
  const { prefix, inside } = tenant();
  const other = tenant();
  await only(other.inside.queue('jobs').enqueue('theirs'));
  await only(inside.queue('jobs').enqueue('ours'));
  expect((await keysOf(prefix)).every((name) => name.startsWith(`${prefix}jobs`))).toBe(true);
  const item = await firstValueFrom(inside.queue('jobs').dequeue());
  expect(item.value).toBe('ours');
  expect(item.key).not.toContain('tenants');
  expect(await keysOf(other.prefix)).toHaveLength(1);
  expect((await firstValueFrom(inside.semaphore('s', 1))).key).not.toContain('tenants');
});

describe('a namespace', () => {
  test('can contain other namespaces', async () => {
    const { prefix, inside } = tenant();
    const inner = inside.namespace('app/').namespace('x/');
    await put1(inner, 'a');
    expect(await keysOf(prefix)).toEqual([`${prefix}app/x/a`]);
    expect((await only(inside.kv.range({ all: true }))).kvs.map(({ key }) => key)).toEqual(['app/x/a']);
    expect(await only(inner.kv.get('a'))).toMatchObject({ key: 'a' });
  });

  test('has no methods of the cluster, and no close()', async () => {
    expect(Object.keys(tenant().inside)).not.toEqual(expect.arrayContaining(['close']));
    for (const name of ['close', 'auth', 'cluster', 'maintenance', 'call']) expect(name in tenant().inside).toBe(false);
  });

  test('ends with its client', async () => {
    const etcd = fixture.client();
    const { inside } = tenant(etcd);
    const ready = new ReplaySubject<void>(1);
    const watched = all(inside.watchBatches('a').pipe(tap(() => ready.next())));
    await firstValueFrom(ready);
    await etcd.close();
    await watched;
    await failureWith('ClientClosed', inside.kv.get('a'));
  });

  test('reports errors with names without its prefix', async () => {
    const { inside } = tenant();
    const lost = inside.lock('jobs').pipe(switchMap((ownership) => inside.kv.delete(ownership.key).pipe(switchMap(() => NEVER))));
    const error = await failureWith('LockLost', lost);
    expect(error.message).toContain('jobs/');
    expect(error.message).not.toContain('tenants');
  });
});
