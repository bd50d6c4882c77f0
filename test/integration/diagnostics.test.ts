import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Client, Diagnostic } from 'rxetcd';
import type { Subscription } from 'rxjs';
import { startTcpProxy, type TcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { Holder } from './support/holding.js';
import { only } from './support/outcomes.js';
import { quick, seenAtLeast, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });
const holder = new Holder();
let proxy: TcpProxy;
beforeEach(async () => {
  proxy = await startTcpProxy(fixture.server.endpoint);
});
afterEach(async () => {
  holder.letGo();
  await proxy.close();
});

function eventsOf(etcd: Client): { readonly all: Diagnostic[]; readonly subscription: Subscription; readonly state: { ended: boolean } } {
  const all: Diagnostic[] = [];
  const state = { ended: false };
  const subscription = etcd.diagnostics$.subscribe({ next: (event) => all.push(event), complete: () => (state.ended = true) });
  return { all, subscription, state };
}

const until = (all: readonly Diagnostic[], ...types: readonly Diagnostic['type'][]): Promise<unknown> =>
  waitForValue(
    () => all.map(({ type }) => type),
    (seen) => types.every((type) => seen.includes(type)),
  );

describe('diagnostics$', () => {
  test('reports calls without their values, and completes with the client', async () => {
    const etcd = fixture.client();
    const { all, state } = eventsOf(etcd);
    await only(etcd.kv.put('diagnostics/a', 'a secret value'));
    const { endpoint } = fixture.server;
    expect(all).toEqual([
      { type: 'attemptBegun', rpc: 'KV.Put', endpoint, attempt: 1 },
      { type: 'callSucceeded', rpc: 'KV.Put', endpoint, attempts: 1, elapsedMs: expect.any(Number) },
    ]);
    expect(JSON.stringify(all)).not.toContain('secret');
    await etcd.close();
    expect(state.ended).toBe(true);
  });

  test('emits nothing after unsubscribing, and starts again for the next subscriber', async () => {
    const etcd = fixture.client();
    const first = eventsOf(etcd);
    first.subscription.unsubscribe();
    await only(etcd.kv.put('diagnostics/a', ''));
    expect(first.all).toEqual([]);
    const second = eventsOf(etcd);
    await only(etcd.kv.put('diagnostics/a', ''));
    expect(second.all).toHaveLength(2);
  });

  test('reports a failing endpoint, the retry, and its recovery', async () => {
    const { endpoint } = proxy;
    await proxy.close();
    const etcd = fixture.client({ endpoints: [endpoint, fixture.server.endpoint] });
    const { all } = eventsOf(etcd);
    expect(await only(etcd.kv.get('diagnostics/none'))).toBeUndefined();
    expect(all).toContainEqual(expect.objectContaining({ type: 'attemptFailed', rpc: expect.any(String), endpoint, action: 'retry' }));
    expect(all).toContainEqual({ type: 'endpointQuarantined', endpoint, pauseMs: expect.any(Number) });
    await waitForValue(
      async () => (await only(etcd.kv.get('diagnostics/none')), all.some(({ type }) => type === 'endpointProbed')),
      (probed) => probed,
    );
    expect(all).toContainEqual({ type: 'endpointProbed', endpoint, ok: false, elapsedMs: expect.any(Number) });
  });

  test('reports a lost stream, and the watch that resumes', async () => {
    const etcd = fixture.client({ endpoints: proxy.endpoint, streams: quick });
    const { all } = eventsOf(etcd);
    const seen = watching(etcd.watch('diagnostics/watched'));
    await until(all, 'streamOpened');
    const { header } = await only(fixture.etcd.kv.put('diagnostics/watched', '1'));
    await seenAtLeast(seen, 1);
    proxy.cut();
    await until(all, 'streamLost', 'watchResumed');
    expect(all).toContainEqual({ type: 'watchResumed', revision: header.revision + 1 });
    expect(all).toContainEqual(expect.objectContaining({ type: 'streamLost', error: expect.anything(), elapsedMs: expect.any(Number) }));
  });

  test('reports locks and leases, from the wait to the loss', async () => {
    const etcd = fixture.client();
    const { all } = eventsOf(etcd);
    const owner = holder.hold(etcd.lock('diagnostics/lock', { ttl: 30 }));
    const { lease, key } = await owner.first();
    const next = holder.hold(etcd.lock('diagnostics/lock', { ttl: 30 }));
    await until(all, 'leaseGranted', 'lockAcquired', 'lockWaiting');
    expect(all).toContainEqual({ type: 'leaseGranted', lease, ttl: 30 });
    expect(all).toContainEqual({ type: 'lockAcquired', name: 'diagnostics/lock', key, waitedMs: expect.any(Number) });
    await only(fixture.etcd.lease.revoke(lease));
    await owner.failure();
    await next.first();
    await until(all, 'lockLost');
    expect(all.filter(({ type }) => type === 'lockAcquired')).toHaveLength(2);
    expect(all).toContainEqual(expect.objectContaining({ type: 'lockLost', name: 'diagnostics/lock', heldMs: expect.any(Number) }));
  });
});

test('the option logger receives the events by their severity', async () => {
  const lines: string[] = [];
  const log =
    (level: string) =>
    (message: string, { type }: Diagnostic): void =>
      void lines.push(`${level} ${message} ${type}`);
  const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  const etcd = fixture.client({ logger });
  await only(etcd.kv.put('diagnostics/logged', ''));
  expect(lines).toEqual(['debug rxetcd: attemptBegun attemptBegun', 'debug rxetcd: callSucceeded callSucceeded']);
});
