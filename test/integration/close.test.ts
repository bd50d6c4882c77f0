import { describe, expect, test } from '@jest/globals';
import { leaseId, type Client, type CloseSummary, type LeaseId } from 'rxetcd';
import { firstValueFrom, map, type Observable } from 'rxjs';
import { run } from '../support/etcd/index.js';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { holding } from './support/holder.js';
import { failureWith, only } from './support/outcomes.js';
import { stopwatch } from '../support/stopwatch.js';
import { waitFor, waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

/**
 * Runs a script of this folder in a separate process, with the endpoint of a server; the process must end without a
 * signal.
 */
async function script(name: string): Promise<string> {
  const { stdout, stderr, code } = await run(
    process.execPath,
    ['--import', 'tsx', `test/integration/scripts/${name}.ts`, fixture.server.endpoint],
    { timeoutMs: 60_000 },
  );
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

/** Expects completion without a value. */
const completion = (source: Observable<unknown>): Promise<void> =>
  new Promise((resolve, reject) =>
    source.subscribe({ next: (value) => reject(new Error(`emitted ${String(value)}`)), error: reject, complete: resolve }),
  );

const waiting = (prefix: string, count: number) =>
  waitForValue(
    () => only(fixture.etcd.kv.count({ prefix })),
    (seen) => seen === count,
  );

describe('a process', () => {
  test('exits by itself after close(), with watches, leases, a waiting lock and a stream open until then', async () => {
    expect(await script('endsByItself')).toBe('closed\n');
    // The queue entry of the waiter was deleted from the server as well.
    await waitForValue(
      () => only(fixture.etcd.kv.count({ prefix: 'script/lock/' })),
      (count) => count === 1,
    );
  });

  test('that exits right after its releases leaves no key', async () => {
    expect(await script('exitsAfterRelease')).toBe('released\n');
    expect((await only(fixture.etcd.kv.range({ prefix: 'exit/' }, { keysOnly: true }))).kvs.map(({ key }) => key)).toEqual([]);
  });

  test('has no more open handles after 1 000 calls than before, except idle connections that close() ends', async () => {
    const { before, after, closed, calls } = JSON.parse(await script('openHandles')) as Record<'before' | 'after' | 'closed', string[]> & {
      calls: number;
    };
    expect(calls).toBe(1000);
    expect(after.filter((resource) => resource !== 'TCPSocketWrap').sort()).toEqual(before.sort());
    expect(after.filter((resource) => resource === 'TCPSocketWrap').length).toBeLessThanOrEqual(8);
    expect(closed.sort()).toEqual(before.sort());
  });
});

describe('a client after close()', () => {
  test.each<[string, (etcd: ReturnType<typeof fixture.client>) => Observable<unknown>]>([
    ['a read', ({ kv }) => kv.get('a')],
    ['a write', ({ kv }) => kv.put('a', 'x')],
    ['a stream', ({ maintenance }) => maintenance.snapshot()],
    ['pages', ({ kv }) => kv.pages({ all: true })],
    ['version', ({ version }) => version()],
    ['call', ({ call }) => call('/kv/range', { key: 'YQ==' })],
  ])('fails %s with ClientClosed, whether it was used before or not', async (_, call) => {
    const unused = fixture.client();
    await unused.close();
    expect(await failureWith('ClientClosed', call(unused))).toMatchObject({ code: 'Canceled' });
    const used = fixture.client();
    await only(used.kv.put('a', 'x'));
    await used.close();
    await failureWith('ClientClosed', call(used));
  });

  test('can be closed again without an error, and `await using` closes it', async () => {
    const etcd = fixture.client();
    await Promise.all([etcd.close(), etcd.close()]);
    await etcd.close();
    const other = fixture.client();
    await other[Symbol.asyncDispose]();
    await failureWith('ClientClosed', other.kv.get('a'));
  });

  test('completes its watches', async () => {
    const etcd = fixture.client();
    const seen: string[] = [];
    const watching = new Promise<void>((resolve, reject) =>
      etcd.watch('close/watch').subscribe({ next: ({ kv }) => seen.push(kv.value), error: reject, complete: resolve }),
    );
    await waitForValue(
      () => only(fixture.etcd.kv.put('close/watch', 'seen')).then(() => seen.length),
      (count) => count > 0,
    );
    await etcd.close();
    await watching;
    expect(seen[0]).toBe('seen');
  });
});

/** Operations with one result. Each waits, as the keys of `close/once/` block it. */
const ONCE: readonly (readonly [string, (etcd: ReturnType<typeof fixture.client>) => Observable<unknown>])[] = [
  ['lock', (etcd) => etcd.lock('close/once/lock')],
  ['a lock of one who belongs to the holder', (etcd) => etcd.lock('close/once/lock', { reentrant: 'process' })],
  ['semaphore', (etcd) => etcd.semaphore('close/once/lock', 1)],
  ['writeLock', (etcd) => etcd.writeLock('close/once/lock')],
  ['doubleBarrier', (etcd) => etcd.doubleBarrier('close/once/double', 2).enter()],
  ['barrier', (etcd) => etcd.barrier('close/once/barrier').wait()],
  ['watchOnce', (etcd) => etcd.watchOnce('close/once/watched')],
  ['dequeue', (etcd) => etcd.queue('close/once/queue').dequeue()],
  ['dequeue by priority', (etcd) => etcd.priorityQueue('close/once/priorities').dequeue()],
];

describe('an operation with one result fails with ClientClosed', () => {
  const AT_ONCE: typeof ONCE = [
    ['tryLock', (etcd) => etcd.tryLock('close/at-once')],
    ['lease', (etcd) => etcd.lease({ ttl: 60 })],
    ['adopt', (etcd) => etcd.lease.adopt(leaseId(1))],
  ];

  test.each([...ONCE, ...AT_ONCE])('%s after close()', async (_, promise) => {
    const etcd = fixture.client();
    await etcd.close();
    await failureWith('ClientClosed', promise(etcd));
  });

  test.each(AT_ONCE)('%s in progress', async (_, promise) => {
    const etcd = fixture.client();
    const failed = failureWith('ClientClosed', promise(etcd));
    await etcd.close();
    await failed;
  });

  test('while it waits', async () => {
    const { etcd } = fixture;
    await only(etcd.kv.put('close/once/lock/0', ''));
    await only(etcd.barrier('close/once/barrier').hold());
    const waiter = fixture.client();
    const before = await waiting('close/once/', 2);
    const failures = ONCE.map(([name, promise]) => failureWith('ClientClosed', promise(waiter)).then(() => name));
    // Four are in the queue, and one is at the double barrier; an acquisition with a reentrant owner has more keys.
    await waiting('close/once/', before + 7);
    await waiter.close();
    expect(await Promise.all(failures)).toEqual(ONCE.map(([name]) => name));
  });
});

/** Observables without an end. Each waits for something that the key `close/role/0` keeps from it, or for a server that does not respond. */
const ROLES: readonly (readonly [string, (etcd: ReturnType<typeof fixture.client>) => Observable<unknown>])[] = [
  ['campaign', (etcd) => etcd.election('close/role').campaign('me')],
  ['a campaign that goes on', (etcd) => etcd.election('close/role').campaign('me', { onLost: 'reacquire' })],
  ['a lock that is acquired again', (etcd) => etcd.lock('close/role', { onLost: 'reacquire' })],
  ['a reentrant lock that is acquired again', (etcd) => etcd.lock('close/role', { onLost: 'reacquire', reentrant: 'process' })],
  ['a permit that is acquired again', (etcd) => etcd.semaphore('close/role', 1, { onLost: 'reacquire' })],
  ['a write lock that is acquired again', (etcd) => etcd.writeLock('close/role', { onLost: 'reacquire' })],
];
const ANNOUNCED: typeof ROLES = [
  ['a lease granted anew', (etcd) => etcd.lease({ ttl: 60, onLost: 'regrant' })],
  ['register', (etcd) => etcd.services('close/services').register('a', { addr: 'a:1' })],
  ['a watch', (etcd) => etcd.watch('close/role')],
  ['live', (etcd) => etcd.live('close/role')],
  ['leader$', (etcd) => etcd.election('close/role').leader$],
];

describe('an Observable without an end completes, without an uncaught error', () => {
  test.each([...ROLES, ...ANNOUNCED])('%s after close()', async (_, role) => {
    const etcd = fixture.client();
    await etcd.close();
    await completion(role(etcd));
  });

  test.each([...ROLES, ...ANNOUNCED])('%s while no server is reachable', async (_, role) => {
    const etcd = fixture.client({ endpoints: 'http://127.0.0.1:1' });
    const done = completion(role(etcd));
    await etcd.close();
    await done;
  });

  test('while it waits for its turn', async () => {
    const { etcd } = fixture;
    await only(etcd.kv.put('close/role/0', ''));
    const waiter = fixture.client();
    const before = await only(etcd.kv.count({ prefix: 'close/role' }));
    const all = ROLES.map(([, role]) => completion(role(waiter)));
    // A caller that shares a reentrant lock has two keys beside the queue entry.
    await waiting('close/role', before + ROLES.length + 2);
    await waiter.close();
    await Promise.all(all);
    // No key of it remains.
    await waiting('close/role', before);
  });
});

describe('a call in progress when the client is closed', () => {
  test('fails with AmbiguousWrite if it is a write that was sent, and its wait on the server ends', async () => {
    const { key } = await only(fixture.etcd.lockService.lock('close/lock'));
    const etcd = fixture.client();
    const failed = failureWith('AmbiguousWrite', etcd.lockService.lock('close/lock'));
    await waiting('close/lock/', 2);
    await etcd.close();
    expect((await failed).cause.reason).toBe('ClientClosed');
    await waiting('close/lock/', 1);
    await only(fixture.etcd.lockService.unlock(key));
  });

  test('fails with ClientClosed if it is a stream', async () => {
    const etcd = fixture.client();
    await only(etcd.kv.get('a'));
    const failed = failureWith('ClientClosed', etcd.electionService.observe('close/election'));
    await etcd.close();
    expect(await failed).toMatchObject({ code: 'Canceled' });
  });

  test('fails with ClientClosed if it is a read or a write that was not sent', async () => {
    const etcd = fixture.client();
    await only(etcd.kv.get('a'));
    const narrow = fixture.client({ maxConnections: 1 });
    const { key } = await only(fixture.etcd.lockService.lock('close/narrow'));
    const first = failureWith('AmbiguousWrite', narrow.lockService.lock('close/narrow'));
    await waiting('close/narrow/', 2);
    const queued = failureWith('ClientClosed', narrow.kv.put('close/queued', 'x'));
    const reading = failureWith('ClientClosed', etcd.kv.range({ all: true }));
    await Promise.all([etcd.close(), narrow.close()]);
    await Promise.all([reading, first, queued]);
    expect(await only(fixture.etcd.kv.exists('close/queued'))).toBe(false);
    await only(fixture.etcd.lockService.unlock(key));
  });
});

describe('a lease that is held when the client is closed', () => {
  const LEASES = 1_500;

  /** Holds leases until they are unsubscribed. */
  async function hold(etcd: Client, count: number) {
    const granted: LeaseId[] = [];
    const held = Array.from({ length: count }, () =>
      etcd.lease({ ttl: 600 }).subscribe(({ id, type }) => {
        if (type === 'granted') granted.push(id);
      }),
    );
    await waitForValue(
      () => granted.length,
      (seen) => seen === count,
    );
    return { granted, leave: () => held.forEach((lease) => lease.unsubscribe()) };
  }

  /** Returns all leases of the server. */
  const present = async (): Promise<ReadonlySet<LeaseId>> => new Set((await only(fixture.etcd.lease.leases())).leases.map(({ id }) => id));

  /** Returns which of these leases the server still has. */
  async function left(ids: readonly LeaseId[]): Promise<readonly LeaseId[]> {
    const there = await present();
    return ids.filter((id) => there.has(id));
  }

  test.each([
    ['held', false],
    ['unsubscribed just before', true],
  ])('is released, with any number of leases: %s', async (_, leave) => {
    const etcd = fixture.client();
    const leases = await hold(etcd, LEASES);
    if (leave) leases.leave();
    expect(await etcd.close({ timeoutMs: 60_000 })).toEqual({ released: LEASES, unreleased: [] });
    expect(await left(leases.granted)).toEqual([]);
  });

  test('is listed in the summary if the timeout is too short, and still exists on the server', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    const etcd = fixture.client({ endpoints: proxy.endpoint, maxConnections: 2 });
    const { granted } = await hold(etcd, 200);
    proxy.down.delayMs = 50;
    // Enough for two connections to release 80 of them at most.
    const { released, unreleased } = await etcd.close({ timeoutMs: 2_000 });
    await proxy.close();
    expect(released).toBeGreaterThan(0);
    expect(released + unreleased.length).toBe(200);
    expect(unreleased[0]).toEqual({ lease: expect.any(String) as unknown, key: undefined, error: undefined });
    const names = new Set(unreleased.map(({ lease }) => lease));
    expect(names.size).toBe(unreleased.length);
    // The server may have revoked some of the leases whose responses were not awaited.
    const there = await left(granted);
    expect(there.filter((id) => !names.has(id))).toEqual([]);
    expect(there.length).toBeGreaterThanOrEqual(unreleased.length - 2);
  });

  test('is listed within 2 s if the server does not respond, as are queue entries and grants without a response', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    const etcd = fixture.client({ endpoints: proxy.endpoint });
    const { granted } = await hold(etcd, 3);
    const mine = await only(fixture.etcd.lease.grant(600));
    const lock = holding(etcd.lock('close/named', { lease: mine.id }));
    await lock.had;
    const before = await present();
    proxy.down.stall();
    const late = etcd.lease({ ttl: 600 }).subscribe({ error: () => undefined });
    // Leases of other tests may exist, and expire at the same time.
    await waitFor('the grant without a response', async () => [...(await present())].some((id) => !before.has(id)));
    const elapsed = stopwatch();
    const { released, unreleased } = await etcd.close();
    expect(elapsed().awakeMs).toBeLessThan(8_000);
    await proxy.close();
    expect(released).toBe(0);
    const names = unreleased.map(({ lease, key }) => lease ?? key);
    expect(names).toHaveLength(5);
    expect(names).toEqual(expect.arrayContaining([...granted, `close/named/${BigInt(mine.id).toString(16)}`]));
    expect([late.closed, lock.completed]).toEqual([true, true]);
    // Their revokes arrive, though no response comes back. Without a response to its grant, the last one is not revoked.
    await waitForValue(
      () => left(granted),
      ({ length }) => length === 0,
    );
    expect(await left(names.filter((name) => name !== undefined).map((name) => name as LeaseId))).toHaveLength(1);
  });

  test('is listed together with the leases of the clients of withAuth that are closed with the client', async () => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    const etcd = fixture.client({ endpoints: proxy.endpoint });
    const [first, second, closed] = [etcd.withAuth(undefined), etcd.withAuth(undefined), etcd.withAuth(undefined)];
    const granted = (await Promise.all([etcd, first, second].map((client) => hold(client, 2)))).flatMap((leases) => leases.granted);
    await hold(closed, 2);
    expect(await closed.close()).toEqual({ released: 2, unreleased: [] });
    expect(await second.close()).toEqual({ released: 2, unreleased: [] });
    proxy.down.stall();
    const { released, unreleased } = await etcd.close();
    await proxy.close();
    expect(released).toBe(0);
    expect(new Set(unreleased.map(({ lease }) => lease))).toEqual(new Set(granted.slice(0, 4)));
    expect(await etcd.close()).toEqual({ released, unreleased });
  });

  test('appears in the same summary for all callers of close; an invalid option closes nothing', async () => {
    const etcd = fixture.client();
    expect(() => etcd.close({ timeoutMs: 0 })).toThrow(
      'timeoutMs of close: expected a number of milliseconds above 0, or Infinity, received 0',
    );
    await firstValueFrom(etcd.lock('close/summary').pipe(map(() => undefined)));
    // The key of the first one may still exist, as its release is in progress.
    const held = holding(etcd.lock('close/summary'));
    await held.had;
    const summaries: CloseSummary[] = await Promise.all([etcd.close({ timeoutMs: 30_000 }), etcd.close()]);
    expect(summaries[0]).toBe(summaries[1]);
    expect(summaries[0]?.unreleased).toEqual([]);
    expect(summaries[0]?.released).toBeGreaterThanOrEqual(1);
    expect(held.completed).toBe(true);
    await waiting('close/summary/', 0);
  });
});
