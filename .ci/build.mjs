/**
 * Builds dist/esm, with one file per module, for bundlers, and dist/cjs, with a few files, for Node. Both have their
 * types. dist/browser is dist/cjs for jsdom.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
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

// A page loads some modules when they are first used. esbuild, and so `ng build`, writes one file for each set of
// modules that are needed by the same of these. The result is a dozen small files, which compress badly and most of
// which are loaded at once. Each of these modules therefore names the whole client, which is loaded by then, so that it
// becomes a single file.
const esm = join(dist, 'esm');
const entry = join(esm, 'src', 'index.browser.js');
for (const file of readdirSync(esm, { recursive: true })) {
  if (!file.endsWith('.js')) continue;
  const path = join(esm, file);
  for (const [, from] of readFileSync(path, 'utf8').matchAll(/new LazyModule\(\(\) => import\('(.+?)'\)\)/g)) {
    const part = join(dirname(path), from);
    const way = relative(dirname(part), entry).replaceAll('\\', '/');
    writeFileSync(part, `${readFileSync(part, 'utf8')}export { createClient } from '${way}';\n`);
  }
}

// The compiler writes the default type argument of Uint8Array since 5.7, and older compilers reject it.
for (const file of readdirSync(dist, { recursive: true })) {
  if (!file.endsWith('.d.ts')) continue;
  const path = join(dist, file);
  const text = readFileSync(path, 'utf8');
  if (text.includes('Uint8Array<ArrayBufferLike>')) writeFileSync(path, text.replaceAll('Uint8Array<ArrayBufferLike>', 'Uint8Array'));
}
