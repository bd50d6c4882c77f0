import { expect, test } from '@jest/globals';
import { type Observable, switchMap } from 'rxjs';
import type { Client } from '../../../../src/index.js';
import { createTestEtcd } from '../../../../src/testing/index.js';
import { record, runInVirtualTime } from '../support.js';

const PAUSE_MS = 20_000;
const CLOSE_MS = PAUSE_MS / 2;

test.each<[string, (etcd: Client) => Observable<unknown>]>([
  ['a lock', (etcd) => etcd.lock('a')],
  ['a reentrant lock', (etcd) => etcd.lock('a', { reentrant: 'process' })],
  ['a session', (etcd) => etcd.session()],
  ['a lock under a session', (etcd) => etcd.session().pipe(switchMap((session) => etcd.lock('a', { session })))],
])('close() ends %s that pauses as etcd cannot be reached', (_, acquire) => {
  runInVirtualTime((time) => {
    const streams = { initialBackoffMs: PAUSE_MS, maxBackoffMs: PAUSE_MS, jitter: 0 };
    const { etcd, server } = createTestEtcd({ client: { streams } });
    server.disconnect();
    const recording = record(time, acquire(etcd));
    time.at(CLOSE_MS, () => void etcd.close());
    time.flush();
    expect(recording).toMatchObject({ events: [], end: { at: CLOSE_MS, reason: 'ClientClosed' } });
  });
});
