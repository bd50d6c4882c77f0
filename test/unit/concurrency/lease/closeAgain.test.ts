import { expect, test } from '@jest/globals';
import type { Observable } from 'rxjs';
import type { Client, CloseSummary } from '../../../../src/index.js';
import { createTestEtcd } from '../../../../src/testing/index.js';

test.each<[string, (etcd: Client, key: string) => Observable<unknown>]>([
  ['locks', (etcd, key) => etcd.lock(key)],
  ['locks that are acquired again', (etcd, key) => etcd.lock(key, { onLost: 'reacquire' })],
  ['leases', (etcd) => etcd.lease({ ttl: 10 })],
  ['leases that are granted again', (etcd) => etcd.lease({ ttl: 10, onLost: 'regrant' })],
  ['sessions', (etcd) => etcd.session()],
  ['announced keys', (etcd, key) => etcd.announce(key, '1')],
])('a client whose subscribers call close() again when it completes them releases all %s', async (_, hold) => {
  const { etcd, server } = createTestEtcd();
  const again: Promise<CloseSummary>[] = [];
  const held = ['a', 'b'].map(
    (key) =>
      new Promise<void>((resolve) => {
        hold(etcd, key).subscribe({ next: () => resolve(), complete: () => again.push(etcd.close()) });
      }),
  );
  await Promise.all(held);
  const summary = { released: 2, unreleased: [] };

  expect(await etcd.close()).toEqual(summary);

  expect(await Promise.all(again)).toEqual([summary, summary]);
  expect(server.leases).toEqual([]);
  await server.close();
});
