/**
 * Builds examples/angular, as its reader would, for test/angular. Fails on any warning of `ng build`. Builds the
 * package first, unless it is newer than its sources, as the app gets a copy of it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const app = join(root, 'examples/angular');

function run(cwd, command, ...args) {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const output = stdout + stderr;
  const warns = /\bwarning\b/i.test(output);
  console.log(`${command} ${args.join(' ')}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
  if (status === 0 && !warns) return output;
  console.error(output, warns ? `${command} ${args[0]} warns of something` : `${command} ${args[0]} failed`);
  process.exit(1);
}

const newest = (folder) =>
  readdirSync(join(root, folder), { recursive: true }).reduce(
    (time, name) => Math.max(time, statSync(join(root, folder, name)).mtimeMs),
    0,
  );

const built = join(root, 'dist/cjs/src/index.js');
if (!existsSync(built) || statSync(built).mtimeMs < Math.max(newest('src'), newest('operators')))
  run(root, 'npm', 'run', '--silent', 'build');
run(app, 'npm', 'ci', '--ignore-scripts', '--no-progress', '--loglevel=error');
console.log(run(app, 'npx', 'ng', 'build'));
