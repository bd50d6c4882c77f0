/**
 * Installs Debian's Chromium for the tests in test/browser, if it is missing. It can do so as root on Debian, as in CI;
 * elsewhere it prints the command.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PATHS = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

if (!PATHS.some((path) => path !== '' && existsSync(path))) {
  console.log('Installing chromium …');
  const run = (...args) =>
    spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  // Old package lists name packages that no longer exist.
  run('update');
  const { status, error } = run('install', '-y', '--no-install-recommends', 'chromium');
  if (status !== 0) {
    console.error(
      `Chromium could not be installed: ${error?.message ?? `apt-get ended with ${status}`}. Install it, or set CHROMIUM to its path.`,
    );
    process.exit(1);
  }
}
