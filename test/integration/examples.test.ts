import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createClient } from 'rxetcd';
import { firstValueFrom } from 'rxjs';
import { projectRoot } from '../support/etcd/project.js';
import { run, snapshotStatus, startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { waitFor } from '../support/waitFor.js';

const tsx = ['--import', 'tsx'];
const demoProgram = ['test/support/etcd/runExample.ts', 'examples/demo/index.ts'];

describe('examples', () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await startEtcd();
  });
  afterAll(() => server.stop());

  async function output(file: string, ...args: readonly string[]): Promise<string[]> {
    const { stdout, stderr, code } = await run(process.execPath, [...tsx, resolve(projectRoot(), 'examples', file), ...args], {
      cwd: projectRoot(),
      env: { ETCD_ENDPOINTS: server.endpoint },
      timeoutMs: 60_000,
    });
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    return stdout.trimEnd().split('\n');
  }

  it('first-program.ts reads its own write, and receives both changes', async () => {
    expect(await output('first-program.ts')).toEqual(['read red', 'seen green', 'seen blue']);
  });

  it('transactions.ts lets only the first claim, and only the owner release', async () => {
    expect(await output('transactions.ts')).toEqual(['ann owns it', 'bob lost to ann', 'bob does not own it', 'ann deleted 1 key']);
  });

  it('pages.ts reads 250 keys in pages of 100, and requests no page too many', async () => {
    expect(await output('pages.ts')).toEqual([
      'page of 100, from examples/items/100 on',
      'page of 100, from examples/items/200 on',
      'page of 50, from examples/items/300 on',
      'read 250 of 250',
      'page of 100, from examples/items/100 on',
      'examples/items/100 = item 100',
      'examples/items/101 = item 101',
    ]);
  });

  it('errors.ts decides by the reason', async () => {
    expect(await output('errors.ts')).toEqual([
      'then 10',
      'compacted, so the newest instead',
      'then 12',
      'LeaseNotFound (NotFound) of KV.Put',
      'FutureRev (OutOfRange) of KV.Range',
      'LeaseExist (FailedPrecondition) of Lease.LeaseGrant',
    ]);
  });

  it('snapshot.ts saves a snapshot with progress that etcd can read, and leaves no other file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxetcd-'));
    const etcd = createClient({ endpoints: server.endpoint });
    try {
      const { header } = await firstValueFrom(etcd.kv.put('examples/saved', ''));
      const lines = await output('snapshot.ts', join(folder, 'backup.db'));
      expect(lines.at(-2)).toBe('100 %');
      expect(lines.at(-1)).toMatch(/^saved [1-9]\d+ bytes( of storage version 3\.\d+\.\d+)?$/);
      expect(readdirSync(folder)).toEqual(['backup.db']);
      const { revision } = await snapshotStatus(join(folder, 'backup.db'));
      expect(revision).toBeGreaterThanOrEqual(header.revision);
    } finally {
      await etcd.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('combine.ts receives each txn over several parts as a whole', async () => {
    expect(await output('combine.ts')).toEqual([
      'limits, flags, primary: no limit, 0 flags, no primary',
      'limits, flags: 10, 1 flags, no primary',
      'flags, primary: 10, 0 flags, web-1',
    ]);
  });

  it('cache.ts reads earlier writes of another client', async () => {
    expect(await output('cache.ts')).toEqual([
      '1 route',
      '10.0.0.7, 10.0.0.9',
      '10.0.0.8, 10.0.0.9',
      '2 in memory: examples/routes/home examples/routes/shop',
    ]);
  });

  it('config/server.ts responds with the current config', async () => {
    const etcd = createClient({ endpoints: server.endpoint });
    const program = spawn(process.execPath, [...tsx, 'examples/config/server.ts'], {
      cwd: projectRoot(),
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ETCD_ENDPOINTS: server.endpoint, PORT: '0' },
    });
    try {
      let shown = '';
      program.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
      const url = await waitFor('the server', () => /^http:.*$/m.exec(shown)?.[0]);
      const answer = async (): Promise<string> => (await fetch(url)).text();
      expect(await answer()).toBe('hello\n');
      await firstValueFrom(etcd.putConfig('examples/site/all/', { greeting: 'hi', page: { color: 'teal' } }));
      await waitFor('the change', async () => (await answer()) === 'hi\n');
      await firstValueFrom(etcd.kv.put('examples/site/one/maintenance', 'perhaps'));
      await waitFor('the rejection', () => shown.includes('rejected: examples/site/one/maintenance: expected boolean, received string'));
      expect(await answer()).toBe('hi\n');
      await firstValueFrom(etcd.kv.put('examples/site/one/maintenance', 'true'));
      await waitFor('the maintenance', async () => (await answer()) === 'The site is being repaired.\n');
      expect(shown).toMatch(/^.*: loaded\nhttp:.*\n.*: greeting, page\/color\n/);
    } finally {
      const closed = once(program, 'close');
      program.kill('SIGTERM');
      expect(await closed).toEqual([0, null]);
      await etcd.close();
    }
  });

  it('lock.ts lets the two jobs run one after the other', async () => {
    const lines = await output('lock.ts');
    const order = lines[0] === 'ann begins' ? ['ann', 'bob'] : ['bob', 'ann'];
    expect(lines).toEqual(order.flatMap((who) => [`${who} begins`, `${who} is done`]));
  });
});

describe('the demo', () => {
  it('leaves nothing behind when it is interrupted while its service runs', async () => {
    const demo = spawn(process.execPath, [...tsx, ...demoProgram], { cwd: projectRoot(), stdio: ['ignore', 'pipe', 'inherit'] });
    // The service writes to the same pipe: 'close' shows that it has ended as well.
    const closed = once(demo, 'close');
    let shown = '';
    let interrupted = false;
    demo.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      if (interrupted || !shown.includes('has registered')) return;
      interrupted = true;
      demo.kill('SIGINT');
    });
    expect(await closed).toEqual([130, null]);
    expect(shown).toContain('both clients are closed');
    expect(shown).toContain('etcd is gone');
    expect(shown).not.toContain('\u001b');
    await expect(fetch(`${/http:\/\/127\.0\.0\.1:\d+/.exec(shown)?.[0]}/version`)).rejects.toThrow('fetch failed');
  });

  it('fails when no etcd can be reached', async () => {
    const { stderr, code } = await run(process.execPath, [...tsx, ...demoProgram], {
      cwd: projectRoot(),
      env: { ETCD_BIN: '/no/such/etcd' },
    });
    expect(stderr).toContain('ETCD_BIN=/no/such/etcd is not a program that can be run');
    expect(code).toBe(1);
  });
});
