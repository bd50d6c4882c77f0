/** Builds dist/esm and dist/cjs, each with its types. */
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

const compile = (project) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [tsc, '--project', project], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('close', (code) => resolve(code === 0));
  });

rmSync(join(root, 'dist'), { recursive: true, force: true });
const done = await Promise.all(['tsconfig.esm.json', 'tsconfig.cjs.json'].map(compile));
if (done.includes(false)) process.exit(1);
writeFileSync(join(root, 'dist/cjs/package.json'), '{"type":"commonjs","sideEffects":false}\n');
