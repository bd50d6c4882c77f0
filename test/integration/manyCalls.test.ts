import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient, isEtcdError, leaseId, type Client } from 'rxetcd';
import { take, tap, type Observable } from 'rxjs';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { stopwatch } from '../support/stopwatch.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

/**
 * The time of each response: the calls over one connection take several times the deadline of one call, on any machine.
 */
const ANSWER_MS = 80;
const CALLS = 60;
/** Longer than a stall of the machine. */
const TIMEOUT_MS = 3_000;

let proxy: TcpProxy;
let etcd: Client;

beforeAll(async () => {
  proxy = await startTcpProxy(fixture.server.endpoint);
  proxy.down.delayMs = ANSWER_MS;
  etcd = createClient({ endpoints: proxy.endpoint, maxConnections: 1, requestTimeoutMs: TIMEOUT_MS, batchReads: false });
  await only(etcd.kv.get('a', { timeoutMs: 60_000 }));
});
afterAll(async () => {
  await etcd.close();
  await proxy.close();
});

/** The number of concurrent calls by their outcome. */
function outcomesOf(count: number, call: (index: number) => Observable<unknown>): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  return new Promise((resolve, reject) => {
    let open = count;
    const end = (outcome: string): void => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (--open === 0) resolve(outcomes);
    };
    for (let index = 0; index < count; index++) {
      call(index).subscribe({
        error: (error: unknown) => (isEtcdError(error) ? end(error.reason) : reject(new Error(String(error)))),
        complete: () => end('ok'),
      });
    }
  });
}

describe('many concurrent calls', () => {
  test('all succeed, although together they take longer than one deadline', async () => {
    const begunAt = performance.now();
    expect(await outcomesOf(CALLS, (index) => etcd.kv.put(`many/${index}`, 'x'))).toEqual({ ok: CALLS });
    expect(performance.now() - begunAt).toBeGreaterThan(TIMEOUT_MS);
    expect(await only(fixture.etcd.kv.count({ prefix: 'many/' }))).toBe(CALLS);
  });

  test('do not fail because some were rejected, as those were responded to', async () => {
    expect(await outcomesOf(CALLS, () => etcd.kv.put('many/refused', 'x', { lease: leaseId(1) }))).toEqual({ LeaseNotFound: CALLS });
  });

  test('grant leases whose TTL counts from the request, not from the subscription', async () => {
    const ttlMs = 60_000;
    const begunAt = performance.now();
    let waitedMs = 0;
    let remainingMs = 0;
    const granted = (): Observable<unknown> =>
      etcd.lease({ ttl: ttlMs / 1_000 }).pipe(
        take(1),
        tap((event) => {
          waitedMs = performance.now() - begunAt;
          ({ remainingMs } = event);
        }),
      );
    expect(await outcomesOf(CALLS, granted)).toEqual({ ok: CALLS });
    expect(waitedMs).toBeGreaterThan(TIMEOUT_MS);
    // The last one waited for nearly all of that time.
    expect(remainingMs).toBeGreaterThan(ttlMs - waitedMs / 2);
    await waitForValue(
      () => only(fixture.etcd.lease.leases()),
      ({ leases }) => leases.length === 0,
    );
  });

  test('fail in bounded time if the server stops responding, and unsent writes are not AmbiguousWrite', async () => {
    const outcomes = outcomesOf(1_000, (index) => etcd.kv.put(`silent/${index}`, 'x'));
    await waitForValue(
      () => only(fixture.etcd.kv.count({ prefix: 'silent/' })),
      (count) => count > 0,
    );
    proxy.down.stall();
    const sinceStall = stopwatch();
    const { ok = 0, DeadlineExceeded = 0, AmbiguousWrite = 0 } = await outcomes;
    // Two deadlines for the waiting calls, and one for the call that is sent at the end of these.
    expect(sinceStall().awakeMs).toBeLessThan(4 * TIMEOUT_MS + 5_000);
    expect(ok + DeadlineExceeded + AmbiguousWrite).toBe(1_000);
    expect(DeadlineExceeded).toBeGreaterThan(900);
    // There is one connection, and a new one beside it once the old one is unresponsive. Each becomes free with a deadline.
    expect(AmbiguousWrite).toBeLessThanOrEqual(8);
  });
});
