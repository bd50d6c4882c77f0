import { describe, expect, test } from '@jest/globals';
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

describe('what is under way when the client is closed', () => {
  const waiting = (prefix: string, count: number) =>
    until(
      () => only(fixture.etcd.kv.count({ prefix })),
      (seen) => seen === count,
    );

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
