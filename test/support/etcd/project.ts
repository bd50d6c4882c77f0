import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Returns the project's folder, found from the working directory. This code runs as ESM and, under jest, as CommonJS,
 * which have no common way to find the path of a file.
 */
export function projectRoot(from: string = process.cwd()): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && /"name":\s*"rxetcd"/.test(readFileSync(manifest, 'utf8'))) return folder;
    if (dirname(folder) === folder) throw new Error(`No package.json of rxetcd in ${from} or above it: run this inside the project`);
  }
}

/** The folder of downloaded binaries, which git ignores. */
export function cacheFolder(of: 'etcd' | 'proxies' = 'etcd'): string {
  return join(projectRoot(), '.cache', of);
}
