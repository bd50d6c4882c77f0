/**
 * Installs the packages of the lockfile if they are missing or differ, so that `npm test` and `npm run demo` work on a
 * fresh clone and after a pull. Uses nothing but Node and npm.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const packagesIn = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;

/** npm keeps a list of the installed packages. Optional packages may be missing from it: they are for other systems. */
function isInstalled() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false;
  const wanted = Object.entries(packagesIn('package-lock.json')).filter(([path]) => path !== '');
  const installed = packagesIn('node_modules/.package-lock.json');
  return wanted.every(([path, { version, optional }]) => (path in installed ? installed[path].version === version : optional === true));
}

if (!isInstalled()) {
  const started = Date.now();
  process.stdout.write('Installing packages (once, half a minute) … ');
  // No package here needs its install script (see allowScripts in package.json), and some try to compile.
  const flags = ['--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const [file, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const { status } = spawnSync(file, [...args, 'ci', ...flags], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) {
    console.log('failed');
    console.error('npm ci could not install the packages of package-lock.json; see above.');
    process.exit(1);
  }
  console.log(`done in ${Math.round((Date.now() - started) / 1000)} s`);
}
