import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { AptSource } from './aptSources.js';
import { lastLines, run } from './run.js';

const abandonedAfterMs = 60 * 60_000;

/** The packages to download. */
export interface Wanted {
  readonly mirror: AptSource;
  readonly suite: string;
  readonly packages: readonly string[];
  /** Also downloads the dependencies that this machine lacks: for its own suite only. */
  readonly withMissing?: boolean;
}

/**
 * Downloads the packages and unpacks them as `target`. Needs no root: apt gets separate lists, cache and sources. Each
 * caller works in a separate folder and renames it at the end. So two callers at the same time do not disturb each
 * other, and an existing `target` is complete.
 */
export async function downloadPackages(wanted: Wanted, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await removeAbandoned(dirname(target));
  const work = await mkdtemp(join(dirname(target), `.tmp-${basename(target)}-`));
  try {
    const root = join(work, 'root');
    for (const file of await fetchInto(work, wanted)) await must('dpkg', ['-x', file, root], work);
    await rename(root, target).catch(async (error: NodeJS.ErrnoException) => {
      // Another process was faster; its folder has the same content.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** @returns the files of the packages */
async function fetchInto(work: string, { mirror, suite, packages, withMissing = false }: Wanted): Promise<string[]> {
  for (const folder of ['lists/partial', 'cache/archives/partial', 'empty', 'deb']) await mkdir(join(work, folder), { recursive: true });
  await writeFile(join(work, 'status'), '');
  const sources = join(work, 'sources.list');
  const settings: Record<string, string> = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': join(work, 'empty'),
    'Dir::Etc::preferences': join(work, 'status'),
    'Dir::Etc::preferencesparts': join(work, 'empty'),
    'Dir::State': work,
    'Dir::State::lists': join(work, 'lists'),
    // The machine's list of installed packages shows which ones are missing.
    'Dir::State::status': withMissing ? '/var/lib/dpkg/status' : join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    // No package is installed, so dpkg's lock, which belongs to root, is not needed.
    'Debug::NoLocking': '1',
    // As root, apt would download as the user _apt, which may not write into the project's folder.
    'APT::Sandbox::User': process.getuid?.() === 0 ? 'root' : '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    // Old suites get no new release files.
    'Acquire::Check-Valid-Until': 'false',
    'APT::Update::Error-Mode': 'any',
  };
  const options = Object.entries(settings)
    .filter(([, value]) => value !== '')
    .flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const update = async (trust: string | undefined): Promise<void> => {
    const bracket = trust === undefined ? '' : `[${trust}] `;
    await writeFile(sources, `deb ${bracket}${mirror.uri} ${suite} ${mirror.components.join(' ')}\n`);
    await must('apt-get', [...options, 'update'], work);
  };
  await update(mirror.signedBy === undefined ? undefined : `signed-by=${mirror.signedBy}`).catch(async (error: unknown) => {
    if (!/NO_PUBKEY|not signed|no public key|Missing key/i.test(String(error))) throw error;
    // A newer suite is signed with keys that an older machine lacks. The package only serves tests,
    // and comes from the mirror that the machine takes its own packages from.
    await update('trusted=yes');
  });
  const folder = join(work, withMissing ? 'cache/archives' : 'deb');
  const order = withMissing ? ['install', '--yes', '--no-install-recommends', '--download-only', '--reinstall'] : ['download'];
  await must('apt-get', [...options, ...order, ...packages], join(work, 'deb'));
  return (await readdir(folder)).filter((file) => file.endsWith('.deb')).map((file) => join(folder, file));
}

async function must(file: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await run(file, args, { cwd, timeoutMs: 180_000, env: { LC_ALL: 'C' } });
  if (code === 0) return;
  const complaints = `${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => /^([EW]|Err):|NO_PUBKEY/.test(line.trim()))
    .join('\n');
  throw new Error(`${file} ended with ${code}: ${lastLines(complaints || stderr, 4)}`);
}

/** A killed process leaves its folder of 30 MB behind. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const age = await stat(path).then(
      (info) => Date.now() - info.mtimeMs,
      () => 0,
    );
    if (name.startsWith('.tmp-') && age > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}
