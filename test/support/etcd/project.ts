import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The project's folder, found from the working directory: this code runs both as ESM and, under jest,
 * as CommonJS, and the two have no common way to ask a file where it is.
 */
export function projectRoot(from: string = process.cwd()): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && /"name":\s*"rxetcd"/.test(readFileSync(manifest, 'utf8'))) return folder;
    if (dirname(folder) === folder) throw new Error(`No package.json of rxetcd in ${from} or above it: run this inside the project`);
  }
}

/** Where downloaded binaries are kept; git ignores it. */
export function cacheFolder(of: 'etcd' | 'proxies' = 'etcd'): string {
  return join(projectRoot(), '.cache', of);
}
