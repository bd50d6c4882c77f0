/** Builds dist/esm, a file a module, for bundlers, and dist/cjs, a few files for all, for Node; each with its types. dist/browser is dist/cjs for jsdom. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const dist = join(root, 'dist');

const node = (...args) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('close', (code) => resolve(code === 0));
  });

rmSync(dist, { recursive: true, force: true });
const done = await Promise.all([
  node(tsc, '--project', 'tsconfig.esm.json'),
  node(tsc, '--project', 'tsconfig.cjs.json'),
  node('.ci/bundle.mjs', 'node', join(dist, 'cjs')),
  node('.ci/bundle.mjs', 'browser', join(dist, 'browser')),
]);
if (done.includes(false)) process.exit(1);

// The compiler writes the default argument of Uint8Array since 5.7, and older compilers refuse it.
for (const file of readdirSync(dist, { recursive: true })) {
  if (!file.endsWith('.d.ts')) continue;
  const path = join(dist, file);
  const text = readFileSync(path, 'utf8');
  if (text.includes('Uint8Array<ArrayBufferLike>')) writeFileSync(path, text.replaceAll('Uint8Array<ArrayBufferLike>', 'Uint8Array'));
}
