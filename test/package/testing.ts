/**
 * Tries the test support of the package in the folder that is its argument, where the packed package is installed. It
 * runs the tests of docs/testing.md, each in a file as a reader saves it, with `node:test`, and `npx rxetcd dev`. Tests
 * with Angular or a browser need more packages, and run in test/docs only.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { blocksOf } from '../support/docs/blocks.js';
import { projectRoot } from '../support/etcd/project.js';
import { waitFor } from '../support/waitFor.js';

const folder = process.argv[2] ?? '';
const { resolve } = createRequire(join(projectRoot(), 'package.json'));

function runTests(): string {
  const cwd = join(folder, 'testing');
  mkdirSync(cwd);
  const blocks = blocksOf('docs/testing.md').filter(({ code }) => !/'(@angular\/core|playwright-core)'/.test(code));
  const files = blocks.map(({ code }, index) => {
    const file = join(cwd, `${index}.test.mts`);
    writeFileSync(file, `import { test } from 'node:test';\nimport { expect } from '${pathToFileURL(resolve('expect')).href}';\n${code}`);
    return file;
  });
  // Each process of a test inherits the loader of TypeScript.
  const args = ['--import', pathToFileURL(resolve('tsx')).href, '--test', '--test-reporter', 'tap', ...files];
  const { stdout, status } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 240_000 });
  const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1]);
  return status === 0 && blocks.length > 5 && passed === blocks.length ? '' : `the tests of docs/testing.md with node:test:\n${stdout}`;
}

/** Starts the server as `npx` does, writes to it and reads over HTTP, and stops it. */
async function runDev(): Promise<string> {
  const bin = join(folder, 'node_modules/.bin');
  mkdirSync(bin, { recursive: true });
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'node_modules/rxetcd/package.json'), 'utf8'));
  const { rxetcd } = (manifest as { readonly bin: { readonly rxetcd: string } }).bin;
  symlinkSync(join(folder, 'node_modules/rxetcd', rxetcd), join(bin, 'rxetcd'));
  writeFileSync(join(folder, 'seed.json'), '{"app/color": "red"}');
  const dev = spawn(process.execPath, [join(bin, 'rxetcd'), 'dev', '--port', '0', '--seed', 'seed.json'], { cwd: folder, stdio: 'pipe' });
  const closed = once(dev, 'close');
  let shown = '';
  for (const stream of [dev.stdout, dev.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (shown += text));
  try {
    await waitFor('the server of rxetcd dev', () => shown.includes('1 keys from') || dev.exitCode !== null);
    const endpoint = /http:\S+/.exec(shown)?.[0] ?? '';
    const answer = await fetch(`${endpoint}/v3/kv/range`, { method: 'POST', body: JSON.stringify({ key: btoa('app/color') }) });
    shown += await answer.text();
  } finally {
    dev.kill('SIGINT');
  }
  const [code] = (await closed) as [number | null];
  const ok = code === 0 && shown.includes(`"value":"${btoa('red')}"`) && shown.includes('closed; nothing was kept');
  return ok ? '' : `rxetcd dev ended with ${code}:\n${shown}`;
}

console.log([runTests(), await runDev()].join('') || 'ok');
