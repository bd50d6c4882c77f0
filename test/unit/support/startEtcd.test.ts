import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { etcdctl, snapshotStatus, startCluster, startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { LaunchError, START_TIMEOUT_MS } from '../../support/etcd/launch.js';
import { retryPorts } from '../../support/etcd/server.js';

const portOf = (server: EtcdServer): number => Number(new URL(server.endpoint).port);

describe('a server that the test starts', () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await startEtcd({ own: true });
  });
  afterAll(() => server.stop());

  test('keeps port and data after it is killed', async () => {
    const { endpoint, pid } = server;
    await etcdctl(server, ['put', 'key'], { input: 'value' });
    await server.kill();
    expect((await etcdctl(server, ['get', 'key', '--command-timeout', '1s'])).code).not.toBe(0);
    await server.restart();
    expect(server.endpoint).toBe(endpoint);
    if (server.kind === 'process') expect(server.pid).not.toBe(pid);
    expect((await etcdctl(server, ['get', 'key', '--print-value-only'])).stdout).toBe('value\n');
  });

  test('does not respond while it is paused', async () => {
    await server.pause();
    expect((await etcdctl(server, ['get', 'key', '--command-timeout', '300ms'])).code).not.toBe(0);
    await server.resume();
    expect((await etcdctl(server, ['get', 'key'])).code).toBe(0);
  });

  test('returns a snapshot that can be inspected', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rxetcd-test-'));
    try {
      const file = join(folder, 'snapshot.db');
      expect(await etcdctl(server, ['snapshot', 'save', file])).toMatchObject({ code: 0 });
      expect((await snapshotStatus(file, server.version)).totalKey).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a port that another etcd holds is an error, and its responses are not used', async () => {
    const outcome = await startEtcd({ clientPort: portOf(server) }).catch((error: unknown) => error);
    expect(String(outcome)).toMatch(/address already in use|port is already allocated/);
    let tries = 0;
    const second = await retryPorts(() => startEtcd(tries++ === 0 ? { clientPort: portOf(server) } : { own: true }));
    expect([tries, second.endpoint === server.endpoint]).toEqual([2, false]);
    await second.stop();
  });
});

test('an etcd that exits early is an error with its last lines', async () => {
  const start = performance.now();
  const outcome = await startEtcd({ args: ['--no-such-flag'] }).catch((error: unknown) => error);
  expect(outcome instanceof LaunchError ? outcome.message : outcome).toContain('not defined: -no-such-flag');
  expect(performance.now() - start).toBeLessThan(START_TIMEOUT_MS / 2);
});

test('a stopped server leaves no data, and cannot be used', async () => {
  const server = await startEtcd({ own: true });
  expect(existsSync(server.dataDir ?? '')).toBe(true);
  await Promise.all([server.stop(), server.stop()]);
  expect(existsSync(server.dataDir ?? '')).toBe(false);
  await expect(server.kill()).rejects.toThrow('does not run');
  await expect(server.restart()).rejects.toThrow('was stopped');
});

test('a cluster works without one member, which rejoins later', async () => {
  const cluster = await startCluster({ size: 3 });
  try {
    const [first, second] = cluster.members;
    if (!first || !second) throw new Error('members are missing');
    await first.kill();
    // A request to a dead leader is lost, so only a retry shows that there is a new one.
    let written = '';
    for (let attempt = 0; attempt < 20 && written !== 'OK\n'; attempt += 1) {
      written = (await etcdctl(second, ['put', 'key', 'value', '--command-timeout', '1s'])).stdout;
    }
    expect(written).toBe('OK\n');
    await first.restart();
    expect((await etcdctl(first, ['get', 'key', '--print-value-only'])).stdout).toBe('value\n');
  } finally {
    await cluster.stop();
  }
});

describe('a server that is already running', () => {
  let other: EtcdServer;
  beforeAll(async () => {
    other = await startEtcd({ own: true });
    process.env['ETCD_ENDPOINTS'] = `${other.endpoint}/, http://127.0.0.1:1`;
  });
  afterAll(async () => {
    delete process.env['ETCD_ENDPOINTS'];
    await other.stop();
  });
  afterEach(() => expect(readFileSync(join(other.dataDir ?? '', '..', 'etcd.log'), 'utf8')).not.toContain('panic'));

  test('is used unchanged, and not controlled', async () => {
    const server = await startEtcd();
    expect(server).toMatchObject({ kind: 'external', endpoint: other.endpoint, version: other.version });
    await expect(server.kill()).rejects.toThrow('comes from ETCD_ENDPOINTS');
    await server.stop();
    expect((await etcdctl(server, ['get', 'key'])).code).toBe(0);
  });

  test('is not used by a test that needs a separate server', async () => {
    const server = await startEtcd({ args: ['--max-txn-ops', '7'] });
    expect(server.endpoint).not.toBe(other.endpoint);
    await server.stop();
  });
});
