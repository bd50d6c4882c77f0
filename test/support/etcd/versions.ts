/** The versions in each Debian suite, in order of preference. `sid` is updated; the others are frozen. */
export const debianSuites: readonly { readonly suite: string; readonly version: string }[] = [
  { suite: 'sid', version: '3.5.30' },
  { suite: 'trixie', version: '3.5.16' },
  { suite: 'bookworm', version: '3.4.23' },
  { suite: 'bullseye', version: '3.3.25' },
];

const imageTags: Readonly<Record<string, string>> = {
  '3.3': 'v3.3.27',
  '3.4': 'v3.4.37',
  '3.5': 'v3.5.21',
  '3.6': 'v3.6.14',
  '3.7': 'v3.7.1',
};

/**
 * Returns whether a version matches a request: `3.4` matches `3.4.23`, `3.4.23` only itself; no request matches
 * everything.
 */
export function versionMatches(asked: string | undefined, actual: string): boolean {
  return asked === undefined || actual === asked || actual.startsWith(`${asked}.`);
}

/**
 * Adapts flags to a version: from 3.6 on, the word `experimental` is no longer part of their names. Before 3.4, logins
 * cannot be made cheaper.
 */
export function flagsFor(version: string, args: readonly string[]): readonly string[] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 3 || (major === 3 && minor < 4)) return args.filter((arg) => !arg.startsWith('--bcrypt-cost='));
  if (major === 3 && minor < 6) return args;
  return args.map((arg) => arg.replace(/^--experimental-/, '--'));
}

/** Parses the version in the output of `etcd --version`. */
export function parseVersion(output: string): string | undefined {
  return /etcd Version: (\d+\.\d+\.\d+\S*)/.exec(output)?.[1];
}

/**
 * Returns the image tag for a requested version: a minor version has a fixed patch, so that all runs test the same
 * server.
 */
export function imageTag(asked: string | undefined): string {
  const wish = asked ?? '3.5';
  return imageTags[wish] ?? (/^\d+\.\d+$/.test(wish) ? `v${wish}.0` : `v${wish}`);
}

/** Returns the version to use: the caller's request, or else the one in the environment (`v` in front is allowed). */
export function askedVersion(option: string | undefined): string | undefined {
  const wish = (option ?? process.env['ETCD_VERSION'] ?? '').trim().replace(/^v/, '');
  if (wish === '') return undefined;
  if (!/^\d+\.\d+(\.\d+\S*)?$/.test(wish)) throw new Error(`etcd version ${JSON.stringify(wish)}: write it as 3.4 or 3.4.23`);
  return wish;
}
