import { describe, expect, test } from '@jest/globals';
import { leaseId } from 'rxetcd';
import type { Observable } from 'rxjs';
import { run } from '../support/etcd/index.js';
import { withEtcd } from './support/fixture.js';
import { failureWith, only, until } from './support/outcomes.js';

const fixture = withEtcd({ own: true });

/** Runs a script of this folder in a process of its own, with a client's endpoint; it has to end by itself. */
async function script(name: string): Promise<string> {
  const { stdout, stderr, code } = await run(
    process.execPath,
    ['--import', 'tsx', `test/integration/scripts/${name}.ts`, fixture.server.endpoint],
    { timeoutMs: 20_000 },
  );
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

const waiting = (prefix: string, count: number) =>
  until(
    () => only(fixture.etcd.kv.count({ prefix })),
    (seen) => seen === count,
  );

describe('a process', () => {
  test('ends by itself after close(), with watches, leases, a waiting lock and a stream open until then', async () => {
    expect(await script('endsByItself')).toBe('closed\n');
    // What waited for the lock is gone from the server as well.
    await until(
      () => only(fixture.etcd.kv.count({ prefix: 'script/lock/' })),
      (count) => count === 1,
    );
  });

  test('has no more open handles after 1 000 calls than before, but for idle connections that close() ends', async () => {
    const { before, after, closed, calls } = JSON.parse(await script('openHandles')) as Record<'before' | 'after' | 'closed', string[]> & {
      calls: number;
    };
    expect(calls).toBe(1000);
    expect(after.filter((resource) => resource !== 'TCPSocketWrap').sort()).toEqual(before.sort());
    expect(after.filter((resource) => resource === 'TCPSocketWrap').length).toBeLessThanOrEqual(8);
    expect(closed.sort()).toEqual(before.sort());
  });
});

describe('after close()', () => {
  test.each<[string, (etcd: ReturnType<typeof fixture.client>) => Observable<unknown>]>([
    ['a read', ({ kv }) => kv.get('a')],
    ['a write', ({ kv }) => kv.put('a', 'x')],
    ['a stream', ({ maintenance }) => maintenance.snapshot()],
    ['pages', ({ kv }) => kv.pages({ all: true })],
    ['version', ({ version }) => version()],
    ['call', ({ call }) => call('/kv/range', { key: 'YQ==' })],
  ])('%s errors with ClientClosed, whether the client was ever used or not', async (_, call) => {
    const unused = fixture.client();
    await unused.close();
    expect(await failureWith('ClientClosed', call(unused))).toMatchObject({ code: 'Canceled' });
    const used = fixture.client();
    await only(used.kv.put('a', 'x'));
    await used.close();
    await failureWith('ClientClosed', call(used));
  });

  test('closing again is no error, and `await using` closes', async () => {
    const etcd = fixture.client();
    await Promise.all([etcd.close(), etcd.close()]);
    await etcd.close();
    const other = fixture.client();
    await other[Symbol.asyncDispose]();
    await failureWith('ClientClosed', other.kv.get('a'));
  });

  test('a watch completes', async () => {
    const etcd = fixture.client();
    const seen: string[] = [];
    const watching = new Promise<void>((resolve, reject) =>
      etcd.watch('close/watch').subscribe({ next: ({ kv }) => seen.push(kv.value), error: reject, complete: resolve }),
    );
    await until(
      () => only(fixture.etcd.kv.put('close/watch', 'seen')).then(() => seen.length),
      (count) => count > 0,
    );
    await etcd.close();
    await watching;
    expect(seen[0]).toBe('seen');
  });
});

/** What promises one thing; each waits for something that the keys of `close/once/` keep from it. */
const ONCE: readonly (readonly [string, (etcd: ReturnType<typeof fixture.client>) => Observable<unknown>])[] = [
  ['lock', (etcd) => etcd.lock('close/once/lock')],
  ['a lock of one who belongs to the holder', (etcd) => etcd.lock('close/once/lock', { reentrant: 'process' })],
  ['campaign', (etcd) => etcd.election('close/once/lock').campaign('me')],
  ['semaphore', (etcd) => etcd.semaphore('close/once/lock', 1)],
  ['writeLock', (etcd) => etcd.writeLock('close/once/lock')],
  ['doubleBarrier', (etcd) => etcd.doubleBarrier('close/once/double', 2).enter()],
  ['barrier', (etcd) => etcd.barrier('close/once/barrier').wait()],
  ['watchOnce', (etcd) => etcd.watchOnce('close/once/watched')],
  ['dequeue', (etcd) => etcd.queue('close/once/queue').dequeue()],
  ['dequeue by priority', (etcd) => etcd.priorityQueue('close/once/priorities').dequeue()],
];

describe('what promises one thing, and never had it, is a ClientClosed', () => {
  const AT_ONCE: typeof ONCE = [
    ['tryLock', (etcd) => etcd.tryLock('close/at-once')],
    ['lease', (etcd) => etcd.lease({ ttl: 60 })],
    ['a lease granted anew', (etcd) => etcd.lease({ ttl: 60, onLost: 'regrant' })],
    ['adopt', (etcd) => etcd.lease.adopt(leaseId(1))],
    ['register', (etcd) => etcd.services('close/services').register('a', { addr: 'a:1' })],
  ];

  test.each([...ONCE, ...AT_ONCE])('%s after close()', async (_, promise) => {
    const etcd = fixture.client();
    await etcd.close();
    await failureWith('ClientClosed', promise(etcd));
  });

  test.each(AT_ONCE)('%s on its way', async (_, promise) => {
    const etcd = fixture.client();
    const failed = failureWith('ClientClosed', promise(etcd));
    await etcd.close();
    await failed;
  });

  test('what waits', async () => {
    const { etcd } = fixture;
    await only(etcd.kv.put('close/once/lock/0', ''));
    await only(etcd.barrier('close/once/barrier').hold());
    const waiter = fixture.client();
    const before = await waiting('close/once/', 2);
    const failures = ONCE.map(([name, promise]) => failureWith('ClientClosed', promise(waiter)).then(() => name));
    // Five stand in the queue, and one at the double barrier; who belongs to a holder has keys beside it as well.
    await waiting('close/once/', before + 8);
    await waiter.close();
    expect(await Promise.all(failures)).toEqual(ONCE.map(([name]) => name));
  });
});

describe('what is under way when the client is closed', () => {
  test('a write that was sent is an AmbiguousWrite, and its waiting on the server ends', async () => {
    const { key } = await only(fixture.etcd.lockService.lock('close/lock'));
    const etcd = fixture.client();
    const failed = failureWith('AmbiguousWrite', etcd.lockService.lock('close/lock'));
    await waiting('close/lock/', 2);
    await etcd.close();
    expect((await failed).cause.reason).toBe('ClientClosed');
    await waiting('close/lock/', 1);
    await only(fixture.etcd.lockService.unlock(key));
  });

  test('a stream is a ClientClosed', async () => {
    const etcd = fixture.client();
    await only(etcd.kv.get('a'));
    const failed = failureWith('ClientClosed', etcd.electionService.observe('close/election'));
    await etcd.close();
    expect(await failed).toMatchObject({ code: 'Canceled' });
  });

  test('a read is a ClientClosed, and a write that had not left yet too', async () => {
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
