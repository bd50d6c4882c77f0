import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from '../../support/etcd/project.js';
import type { Figures, Scenario } from '../scenario.js';

const run = promisify(execFile);
const root = projectRoot();
const OURS = [pathToFileURL(join(root, '.cache', 'bench', 'src', 'index.js')).href];
const PEER = ['etcd3'];
/** What ours is built on. */
const FLOOR = ['undici', 'rxjs', 'io-ts', 'fp-ts/lib/Either.js', 'immutable'];

const script = (modules: readonly string[]): string => `
  gc();
  const heap = process.memoryUsage().heapUsed;
  const start = performance.now();
  await Promise.all(${JSON.stringify(modules)}.map((name) => import(name)));
  const ms = performance.now() - start;
  gc();
  console.log(JSON.stringify({ import: ms, 'import-heap': (process.memoryUsage().heapUsed - heap) / 2 ** 20 }));`;

/** Loading the package, in a process of its own. */
export const importScenario: Scenario = {
  name: 'import',
  rows: [
    { name: 'import', unit: 'ms', better: 'less', target: { toPeer: 0.5 } },
    { name: 'import-heap', unit: 'MiB', better: 'less', target: { toPeer: 0.5 } },
  ],
  rounds: { full: 15, quick: 5, warmUp: 1 },
  prepare: async () => ({
    sides: { ours: () => load(OURS), peer: () => load(PEER), floor: () => load(FLOOR) },
    end: async () => undefined,
  }),
};

async function load(modules: readonly string[]): Promise<Figures> {
  const { stdout } = await run(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script(modules)], { cwd: root });
  return JSON.parse(stdout) as Figures;
}
