/**
 * `npm run bench`: see docs/benchmarks.md. What is measured is compiled by tsc, as the package is, and runs on bare Node: tsx names every closure as
 * it is made, which would cost the client and the floor more than some of what is measured.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { projectRoot } from '../support/etcd/project.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const root = projectRoot();

/** Runs Node to its end; gives the exit code. */
function node(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of SIGNALS) process.on(signal, pass);
    child.on('error', reject);
    child.on('close', (code) => {
      for (const signal of SIGNALS) process.off(signal, pass);
      resolve(code ?? 1);
    });
  });
}

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const built = await node([tsc, '--project', join('test', 'bench', 'tsconfig.bench.json')]);
const FLAGS = [
  // The heap is measured after a collection of garbage, which has to be allowed to ask for one.
  '--expose-gc',
  // Where little is done for 8 s after a collection, V8 collects twice more: 80 ms of CPU, by chance in the turn of one side or another.
  '--no-memory-reducer',
];
const main = join('.cache', 'bench', 'test', 'bench', 'main.js');
process.exitCode = built === 0 ? await node([...FLAGS, main, ...process.argv.slice(2)]) : built;
