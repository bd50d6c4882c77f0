import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from '../../support/etcd/project.js';
import type { Figures, Scenario } from '../scenario.js';

const run = promisify(execFile);
const root = projectRoot();
/** As the package has it for Node. */
const compiled = join(root, '.cache', 'bench-cjs');

/** A program in a process of its own. What it does before `done` is measured; where and what it is told stands in its environment. */
const program = (work: string): string => `
  const { RXETCD, ENDPOINT } = process.env;
  gc();
  const heap = process.memoryUsage().heapUsed;
  const start = performance.now();
  ${work}
  const ms = performance.now() - start;
  gc();
  console.log(JSON.stringify({ ms, MiB: (process.memoryUsage().heapUsed - heap) / 2 ** 20 }));
  process.exit();`;

const ALONE = {
  ours: `await import(RXETCD);`,
  peer: `await import('etcd3');`,
  // What ours is built on.
  floor: `await Promise.all(['undici', 'rxjs', 'io-ts', 'fp-ts/lib/Either.js', 'immutable'].map((name) => import(name)));`,
};

const FIRST_GET = {
  ours: `
    const [{ createClient }, { firstValueFrom }] = await Promise.all([import(RXETCD), import('rxjs')]);
    await firstValueFrom(createClient({ endpoints: ENDPOINT }).kv.get('bench/nothing'));`,
  peer: `
    const { Etcd3 } = await import('etcd3');
    await new Etcd3({ hosts: ENDPOINT }).get('bench/nothing').exec();`,
  floor: `
    const { Pool } = await import('undici');
    const response = await new Pool(ENDPOINT).request({ method: 'POST', path: '/v3/kv/range', body: JSON.stringify({ key: btoa('bench/nothing') }) });
    await response.body.json();`,
};

/** Until the package is there, or until it has been used once: it loads what speaks to servers when it first does. */
function starting(name: string, { ours, peer, floor }: typeof ALONE, targeted: boolean): Scenario {
  const target = targeted ? { target: { toPeer: 0.5 } } : {};
  return {
    name,
    rows: [
      { name, unit: 'ms', better: 'less', ...target },
      { name: `${name}-heap`, unit: 'MiB', better: 'less', ...target },
    ],
    rounds: { full: 15, quick: 4, warmUp: 1 },
    prepare: async ({ server: { endpoint } }) => {
      await run(process.execPath, [join('.ci', 'bundle.mjs'), compiled], { cwd: root });
      const env = { ...process.env, RXETCD: pathToFileURL(join(compiled, 'src', 'index.js')).href, ENDPOINT: endpoint };
      const measured = async (work: string): Promise<Figures> => {
        const args = ['--expose-gc', '--input-type=module', '--eval', program(work)];
        const { stdout } = await run(process.execPath, args, { cwd: root, env });
        const { ms, MiB } = JSON.parse(stdout) as { readonly ms: number; readonly MiB: number };
        return { [name]: ms, [`${name}-heap`]: MiB };
      };
      return {
        sides: { ours: () => measured(ours), peer: () => measured(peer), floor: () => measured(floor) },
        end: async () => undefined,
      };
    },
  };
}

export const importScenario: Scenario = starting('import', ALONE, true);
export const firstGetScenario: Scenario = { ...starting('first-get', FIRST_GET, false), slow: true };
