import { expect, test } from '@jest/globals';
import { run } from '../support/etcd/index.js';
import { projectRoot } from '../support/etcd/project.js';
import { growthFaults, type Growth } from '../support/workload/leaks.js';

const CALLS = 5_000;

test('thousands of calls under rolling restarts leak no heap, sockets or listeners', async () => {
  // In a separate process, whose heap grows only by this test.
  const args = ['--expose-gc', '--import', 'tsx', 'test/cluster/support/leaks.ts', String(CALLS)];
  const { code, stdout, stderr } = await run(process.execPath, args, { cwd: projectRoot(), env: process.env });
  expect([code, stderr.split('\n').filter((line) => line.startsWith('Error'))]).toEqual([0, []]);
  const grown = JSON.parse(stdout) as Growth;
  expect(grown.measured.at(-1)?.calls).toBe(CALLS);
  expect(grown.measured.at(-1)?.restarts).toBeGreaterThanOrEqual(6);
  expect(growthFaults(grown)).toEqual([]);
}, 300_000);
