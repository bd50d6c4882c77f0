import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { getText } from '../../support/etcd/http.js';
import { findEtcd } from '../../support/etcd/index.js';
import { projectRoot } from '../../support/etcd/project.js';

interface Parent {
  readonly child: ChildProcess;
  readonly endpoint: string;
  readonly dataDir: string;
}

/** A process that has started an etcd with our module, and is still working. */
async function startParent(): Promise<Parent> {
  const cli = join(projectRoot(), 'test/support/etcd/cli.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', cli], { cwd: projectRoot(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  for (;;) {
    const endpoint = /http:\S+/.exec(output)?.[0];
    const dataDir = /data in (\S+);/.exec(output)?.[1];
    if (endpoint !== undefined && dataDir !== undefined) return { child, endpoint, dataDir };
    if (child.exitCode !== null) throw new Error(output);
    await delay(20);
  }
}

const answers = (endpoint: string): Promise<boolean> =>
  getText(`${endpoint}/version`).then(
    () => true,
    () => false,
  );

describe('a server whose parent process dies', () => {
  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)('by %s exits soon, and deletes its data', async (signal) => {
    // In a container the engine removes it later; a shared server is kept.
    if ((await findEtcd()).kind !== 'binary') return;
    const { child, endpoint, dataDir } = await startParent();
    expect([await answers(endpoint), existsSync(dataDir)]).toEqual([true, true]);
    const exit = once(child, 'exit');
    child.kill(signal);
    // The signal itself ends the process, as its parent may expect.
    expect(await exit).toEqual([null, signal]);
    const deadline = performance.now() + 30_000;
    while (((await answers(endpoint)) || existsSync(dataDir)) && performance.now() < deadline) await delay(20);
    expect([await answers(endpoint), existsSync(dataDir)]).toEqual([false, false]);
  });
});
