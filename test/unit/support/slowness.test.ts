import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { slowness } from '../../support/slowness.js';

const BUSY_MS = 1_000;
const runs = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
};

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a process that shares the cores with several others per core is slowed down', async () => {
  const busy = `process.stdout.write('.'); for (const end = Date.now() + ${10 * BUSY_MS}; Date.now() < end; );`;
  const others = Array.from({ length: 3 * availableParallelism() }, () => spawn(process.execPath, ['-e', busy]));
  try {
    await Promise.all(others.map((other) => new Promise((resolve) => other.stdout.once('data', resolve))));
    const slowed = slowness();
    runs(BUSY_MS);
    expect(slowed()).toBeGreaterThan(1.5);
    expect(slowed()).toBeLessThan(100);
  } finally {
    others.forEach((other) => other.kill());
  }
});

test('a process that did not run since was not slowed down', () => {
  expect(slowness()()).toBeGreaterThanOrEqual(1);
});
