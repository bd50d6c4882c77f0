import { expect, test } from '@jest/globals';
import type { Observable } from 'rxjs';
import type { Client } from '../../../../src/index.js';
import { createTestEtcd } from '../../../../src/testing/index.js';
import { record, runInVirtualTime } from '../support.js';

/** More failures than any acquisition can use up. */
const FAILURES = 1_000;

test.each<[string, (etcd: Client) => Observable<unknown>]>([
  ['a lock', (etcd) => etcd.lock('a')],
  ['a lock that is acquired again after each loss', (etcd) => etcd.lock('a', { onLost: 'reacquire' })],
])('%s makes five attempts if the endpoint does not know the RPC', (_, acquire) => {
  runInVirtualTime((time) => {
    const { etcd, server } = createTestEtcd({ client: { retry: false } });
    for (let n = 0; n < FAILURES; n += 1) server.fail('Lease.LeaseGrant', 'UnknownMethod');
    let attempts = 0;
    etcd.diagnostics$.subscribe((event) => (attempts += Number(event.type === 'attemptBegun' && event.rpc === 'Lease.LeaseGrant')));
    const recording = record(time, acquire(etcd));
    time.at(60_000, () => void etcd.close());
    time.flush();
    expect(recording).toMatchObject({ events: [], end: { reason: 'UnknownMethod' } });
    expect(attempts).toBe(5);
  });
});
